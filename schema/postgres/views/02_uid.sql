-- script: once
create function fleet.uid(given text) returns uuid
language plpgsql immutable strict parallel safe
as $$
begin
    if given ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
        return given::uuid;
    end if;
    raise exception '% is not of the form of a uid: 36 characters in lower case', quote_literal(given)
        using errcode = 'invalid_text_representation',
            hint = format('An object whose uid has another form is found by its text: where uid_text = %L.', given);
end;
$$;
comment on function fleet.uid is 'The uuid of a uid that is given as text; of a text that is not in canonical form it says how to ask instead.';
