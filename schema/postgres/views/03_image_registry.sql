-- script: both
create function {schema}.image_registry(image text) returns text
language sql immutable parallel safe
return case
    when image = '' then null
    -- What stands before the first slash is a host if it has a dot, a port or an upper-case letter, or is localhost.
    when strpos(image, '/') = 0 or split_part(image, '/', 1) in ('docker.io', 'index.docker.io') then 'docker.io'
    when split_part(image, '/', 1) = 'localhost' or split_part(image, '/', 1) ~ '[.:A-Z]' then split_part(image, '/', 1)
    else 'docker.io'
end;
comment on function {schema}.image_registry is 'The registry that an image is pulled from, with its port, by the grammar of image references: docker.io for short names such as nginx or library/nginx.';
