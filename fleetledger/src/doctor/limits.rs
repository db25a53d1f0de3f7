//! Whether readers and teams leave the server to those who work.

use super::{CheckVerdict, DoctorObservations};
use crate::config::FleetledgerConfig;

/// Logins of readers and teams, as two columns say of them: those without a limit of temporary files where the server has
/// none, and the database they would be set in, with its owner.
const LIST_UNLIMITED_FILES: &str = "
        select coalesce(string_agg(quote_ident(r.rolname), ', ' order by r.rolname), ''), quote_ident(b.datname), quote_ident(o.rolname)
        from pg_database as b
        join pg_roles as o on o.oid = b.datdba
        left join pg_roles as r on r.rolcanlogin and not r.rolsuper and r.oid <> o.oid
            and r.rolname not in ('fleetledger_ingest', 'fleetledger_evaluate')
            and (pg_has_role(r.oid, 'fleetledger_select', 'member') or pg_has_role(r.oid, 'fleetledger_team', 'member'))
            and not pg_has_role(r.oid, 'fleetledger_ingest', 'member') and not pg_has_role(r.oid, 'fleetledger_evaluate', 'member')
            and current_setting('temp_file_limit') = '-1'
            and not exists (
                select from pg_db_role_setting as d
                cross join lateral unnest(d.setconfig) as one
                where d.setrole in (r.oid, 0) and d.setdatabase in (b.oid, 0) and one like 'temp_file_limit=%'
            )
        where b.datname = current_database()
        group by b.datname, o.rolname";

/// A query of a reader sorts on disk; without a limit one of them fills it, and then nothing can land.
pub(super) async fn temporary_files(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match postgres.client.query_one(LIST_UNLIMITED_FILES, &[]).await {
        Err(_) => CheckVerdict::skipped("see postgres-migrated"),
        Ok(row) => {
            let (roles, database, owner): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            if roles.is_empty() {
                return CheckVerdict::well("temp_file_limit is set for readers and teams");
            }
            CheckVerdict::broken(
                format!("temp_file_limit is not set for {roles}: a single query can fill the disk"),
                format!(
                    "{owner}, the owner of {database}, lacks the privilege to set it; run as a superuser: grant set on \
                     parameter temp_file_limit to {owner}; then run fleetledger migrate"
                ),
            )
        }
    }
}

/// Connections that any login may take, those reserved for our roles, what the limits of readers and teams add up to, and who of
/// them has none.
const ADD_UP_CONNECTIONS: &str = "
        select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
                - coalesce(current_setting('reserved_connections', true)::bigint, 0),
            coalesce(current_setting('reserved_connections', true)::bigint, 0),
            coalesce(sum(r.rolconnlimit) filter (where r.rolconnlimit >= 0), 0)::bigint,
            coalesce(string_agg(quote_ident(r.rolname), ', ' order by r.rolname) filter (where r.rolconnlimit < 0), '')
        from pg_roles as r
        where r.rolcanlogin and not r.rolsuper
          and r.rolname not in ('fleetledger_ingest', 'fleetledger_evaluate', 'fleetledger_rules')
          and (pg_has_role(r.oid, 'fleetledger_select', 'member') or pg_has_role(r.oid, 'fleetledger_team', 'member'))
          and not pg_has_role(r.oid, 'fleetledger_ingest', 'member') and not pg_has_role(r.oid, 'fleetledger_evaluate', 'member')
          and r.oid <> (select d.datdba from pg_database as d where d.datname = current_database())";

/// What readers and teams may take together must leave enough for ingester and evaluator.
pub(super) async fn connections(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match postgres.client.query_one(ADD_UP_CONNECTIONS, &[]).await {
        Err(_) => CheckVerdict::skipped("see postgres-migrated"),
        Ok(row) => judge_connections(
            &ConnectionBudget {
                open_to_all: row.get(0),
                reserved: row.get(1),
                limits: row.get(2),
                needed: needed(&scene.config),
            },
            row.get(3),
        ),
    }
}

/// Connections of a server, and who wants them.
struct ConnectionBudget {
    open_to_all: i64,
    reserved: i64,
    limits: i64,
    needed: i64,
}

/// What an ingester and an evaluator of this configuration take at most.
fn needed(config: &FleetledgerConfig) -> i64 {
    let of_ingester = config.ingest.lanes + 4;
    // Asking and writing take turns of their own; the rest renews claims, keeps house, delivers, fills and counts.
    let of_evaluator = 3 * config.evaluate.concurrency + 20;
    i64::try_from(of_ingester + of_evaluator).unwrap_or(i64::MAX)
}

fn judge_connections(budget: &ConnectionBudget, unlimited: &str) -> CheckVerdict {
    if !unlimited.is_empty() {
        return CheckVerdict::broken(
            format!("{unlimited} may take every connection of the server"),
            "limit each: alter role … connection limit 10",
        );
    }
    let ConnectionBudget {
        open_to_all,
        reserved,
        limits,
        needed,
    } = budget;
    if reserved >= needed || limits + needed <= *open_to_all {
        return CheckVerdict::well(format!(
            "readers and teams may take {limits} of {open_to_all} connections, {reserved} more are reserved"
        ));
    }
    CheckVerdict::broken(
        format!(
            "readers and teams may take {limits} of {open_to_all} connections, and ingester and evaluator need {needed}"
        ),
        format!(
            "lower their limits (alter role … connection limit) until they add up to {} at most; or alter system set max_connections = {} \
             (from PostgreSQL 16 on reserved_connections = {needed} is enough), then restart PostgreSQL",
            (open_to_all - needed).max(0),
            limits + needed + 10
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_leave_too_little_and_roles_without_one_are_broken() {
        let budget = |open_to_all, reserved, limits| ConnectionBudget {
            open_to_all,
            reserved,
            limits,
            needed: 38,
        };
        let broken = |budget, unlimited| match judge_connections(&budget, unlimited) {
            CheckVerdict::Broken { why, .. } => why,
            other => format!("{other:?}"),
        };
        assert!(broken(budget(97, 0, 60), "").contains("60 of 97"));
        assert!(broken(budget(97, 0, 32), "ada").contains("ada may take every"));
        for well in [budget(97, 0, 59), budget(59, 38, 60)] {
            assert!(matches!(judge_connections(&well, ""), CheckVerdict::Well { .. }));
        }
    }
}
