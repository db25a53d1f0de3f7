-- Trigger of ledger.usage_window: rating an hour deletes its notes, so what is left of them is usage that came late.
create or replace function ledger.note_fold() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Without prices nothing is rated, and nobody would take the notes away.
    if exists (select from ledger.price_sheet as s where s.superseded_at is null) then
        insert into ledger.usage_fold (hour_at) select distinct f.hour_at from folded as f;
    end if;
    return null;
end
$$;
comment on function ledger.note_fold is 'Notes the hours that a batch folded usage into.';
