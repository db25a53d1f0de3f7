//! The ledger in its database.

use fleetledger_schema::postgres::MigrationStatus;

use super::{CheckVerdict, DoctorObservations};

pub(super) async fn migrated(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match &postgres.migration_status {
        Ok(migration_status) => judge_migration_status(migration_status),
        Err(why) => CheckVerdict::broken(
            format!("the list of migrations cannot be read: {why}"),
            "grant fleetledger_ingest to the configured user, or connect as the ledger's owner",
        ),
    }
}

fn judge_migration_status(migration_status: &MigrationStatus) -> CheckVerdict {
    match migration_status {
        MigrationStatus::Current => CheckVerdict::well("at this version"),
        MigrationStatus::Empty => {
            CheckVerdict::broken("the database contains no ledger", "run: fleetledger migrate")
        }
        MigrationStatus::Behind { missing } => CheckVerdict::broken(
            format!("the database is not up to date: {} missing", missing.join(", ")),
            "run: fleetledger migrate",
        ),
        MigrationStatus::Edited(name) => CheckVerdict::broken(
            format!("migration {name} was edited after it had been applied"),
            "use the release that applied it, or restore the migration's text and put the change into a new one",
        ),
        MigrationStatus::Ahead(name) => CheckVerdict::broken(
            format!("the database has migration {name}, which this version does not know"),
            "run the newer fleetledger that migrated it, or restore an earlier backup",
        ),
    }
}

/// Tables without a partition for today or tomorrow.
const LIST_MISSING_PARTITIONS: &str = "
        select coalesce(string_agg(distinct p.table_name, ', '), '')
        from ledger.partitioned_table as p
        cross join (values (now()), (now() + interval '1 day')) as d (day)
        where not exists (
            select from ledger.partition_bounds(p.table_name) as b where b.from_at <= d.day and d.day < b.to_at
        )";

/// A batch that meets a day without partition waits for one; tomorrow's are made a week ahead.
pub(super) async fn partitions(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match postgres.client.query_one(LIST_MISSING_PARTITIONS, &[]).await {
        Err(_) => CheckVerdict::skipped("see postgres-migrated"),
        Ok(row) => match row.get::<_, String>(0) {
            missing if missing.is_empty() => CheckVerdict::well("today and tomorrow"),
            missing => CheckVerdict::broken(
                format!("partitions for today or tomorrow are missing: {missing}"),
                "run: fleetledger migrate (or select ledger.ensure_partitions()); a running ingester creates \
                 them hourly",
            ),
        },
    }
}

/// What differs between roles as they are set up in this database and as `migrate` sets them up. What only a superuser sets
/// is looked at where the database's owner is one.
const LIST_ROLE_FAULTS: &str = "
        select format('%I has %s and not %s=%s', s.role_name,
            coalesce(c.is_set, s.setting || ' unset'), s.setting, s.setting_value) as fault
        from ledger.role_settings() as s
        join pg_roles as r on r.rolname = s.role_name
        join pg_database as b on b.datname = current_database()
        join pg_roles as o on o.oid = b.datdba
        left join pg_db_role_setting as d on d.setrole = r.oid and d.setdatabase = b.oid
        left join lateral (
            select one as is_set from unnest(d.setconfig) as one where split_part(one, '=', 1) = s.setting
        ) as c on true
        where c.is_set is distinct from s.setting || '=' || s.setting_value and (o.rolsuper or not s.only_superuser)
        union all
        select format('%I is no member of %I', m.member, m.granted)
        from ledger.role_memberships() as m
        join pg_roles as r on r.rolname = m.member
        where not pg_has_role(r.oid, m.granted::name, 'usage')
        union all
        select format('%I sees the rows of team %s and does not exist', t.role_name, t.team)
        from ledger.team_role as t where not exists (select from pg_roles as r where r.rolname = t.role_name)
        order by 1";

/// Tables that show nobody anything, because their policies were lost.
const LIST_LOST_POLICIES: &str = "
        select coalesce(string_agg(c.relname, ', ' order by c.relname), '')
        from pg_class as c
        where c.relnamespace = to_regnamespace('ledger') and c.relrowsecurity
          and not exists (select from pg_policy as p where p.polrelid = c.oid)";

/// pg_restore leaves out what roles are set to in a database, and policies are not restored for roles that do not exist.
pub(super) async fn roles(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    let faults = postgres.client.query(LIST_ROLE_FAULTS, &[]).await;
    let lost = postgres.client.query_one(LIST_LOST_POLICIES, &[]).await;
    let (Ok(faults), Ok(lost)) = (faults, lost) else {
        return CheckVerdict::skipped("see postgres-migrated");
    };
    let lost: String = lost.get(0);
    if !lost.is_empty() {
        return CheckVerdict::broken(
            format!(
                "tables have lost their row-level security policies: {lost}; the dump was restored before \
                 its roles existed"
            ),
            "create the roles, then restore again; see Backup and restore in docs/operating.md",
        );
    }
    let faults: Vec<String> = faults.iter().map(|row| row.get(0)).collect();
    CheckVerdict::of(&faults, "run: fleetledger migrate", "as migrate sets them up")
}

/// The current user, and what an ingester may that it may not.
const LIST_MISSING_INGEST_GRANTS: &str = "
        select quote_ident(current_user), coalesce(string_agg(t.name || ' (' || t.privilege || ')', ', '), ''),
            pg_has_role('fleetledger_evaluate', 'member') and not pg_has_role('fleetledger_ingest', 'member')
        from (
            select format('ledger.%I', c.relname) as name, p.privilege
            from pg_class as c
            cross join (values ('insert'), ('update'), ('delete'), ('select')) as p (privilege)
            where c.relnamespace = to_regnamespace('ledger') and c.relkind in ('r', 'p') and not c.relispartition
                and has_table_privilege('fleetledger_ingest', c.oid, 'insert')
                and has_table_privilege('fleetledger_ingest', c.oid, p.privilege)
                and not has_table_privilege(c.oid, p.privilege)
            union all
            select 'schema ledger', 'usage'
            where to_regnamespace('ledger') is not null and not has_schema_privilege('ledger', 'usage')
            union all
            select 'database ' || current_database(), 'temporary'
            where not has_database_privilege(current_database(), 'temporary')
        ) as t";

pub(super) async fn grants(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match postgres.client.query_one(LIST_MISSING_INGEST_GRANTS, &[]).await {
        Err(error) => CheckVerdict::skipped(format!("the server's answer cannot be read ({error})")),
        Ok(row) => {
            let (user, missing): (String, String) = (row.get(0), row.get(1));
            if missing.is_empty() {
                return CheckVerdict::well(format!("user {user}"));
            }
            if row.get(2) {
                return CheckVerdict::skipped(format!("user {user} is an evaluator's; see evaluate-grants"));
            }
            let first: Vec<&str> = missing.split(", ").take(3).collect();
            CheckVerdict::broken(
                format!("user {user} lacks privileges: {} …", first.join(", ")),
                format!("grant fleetledger_ingest to {user}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_status_but_current_is_broken_with_its_fix() {
        assert!(matches!(
            judge_migration_status(&MigrationStatus::Current),
            CheckVerdict::Well { .. }
        ));
        for (migration_status, word) in [
            (MigrationStatus::Empty, "no ledger"),
            (
                MigrationStatus::Behind {
                    missing: vec!["views".into()],
                },
                "views missing",
            ),
            (
                MigrationStatus::Edited("0001_a.sql".into()),
                "0001_a.sql was edited",
            ),
            (MigrationStatus::Ahead("0009_z.sql".into()), "0009_z.sql"),
        ] {
            let CheckVerdict::Broken { why, fix } = judge_migration_status(&migration_status) else {
                panic!("{migration_status:?}")
            };
            assert!(why.contains(word) && !fix.is_empty(), "{why}");
        }
    }
}
