-- Drops the roles of a team. Rows of ledger.team_role are deleted first: they are what the policies ask.
create or replace function ledger.team_revoke(team text) returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    revoked record;
    number integer := 0;
begin
    for revoked in delete from ledger.team_role as r where r.team = team_revoke.team returning r.role_name loop
        number := number + 1;
        if exists (select from pg_roles as r where r.rolname = revoked.role_name) then
            execute format('drop role %I', revoked.role_name);
        end if;
    end loop;
    return number;
end
$$;
comment on function ledger.team_revoke is 'Drops the roles of a team and returns how many there were; what is open of them sees nothing from now on.';
-- Only the owner drops roles.
revoke execute on function ledger.team_revoke from public;
