//! A pooler between the roles and PostgreSQL.

use fleetledger_schema::postgres::PoolerMode;

use super::{CheckVerdict, DoctorObservations};
use crate::setup::OWN_SESSIONS;

/// Every role has sessions of its own.
pub(super) async fn sessions(scene: &DoctorObservations) -> CheckVerdict {
    match scene.postgres.get("postgres") {
        Err(skipped) => skipped,
        Ok(postgres) => judge(postgres.pooler.as_ref().copied().map_err(String::as_str)),
    }
}

fn judge(mode: Result<PoolerMode, &str>) -> CheckVerdict {
    match mode {
        Err(why) => CheckVerdict::skipped(format!("the server's answer cannot be read ({why})")),
        Ok(PoolerMode::Absent) => {
            CheckVerdict::well("no pooler: a session starts and ends with its connection")
        }
        Ok(PoolerMode::Session) => CheckVerdict::well(
            "a pooler in session mode: ingest, evaluate, console, migrate, report and sql may connect \
             through it; sql --as-of must connect to PostgreSQL directly",
        ),
        Ok(PoolerMode::Transaction) => CheckVerdict::broken(
            "a pooler in transaction mode is in front of PostgreSQL: ingest, evaluate, console, central, \
             migrate and sql --as-of need sessions of their own and must not connect through it; report, \
             status and sql without --as-of may",
            OWN_SESSIONS,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_in_transaction_mode_is_broken_and_each_role_is_named() {
        let CheckVerdict::Broken { why, fix } = judge(Ok(PoolerMode::Transaction)) else {
            panic!("it is broken")
        };
        for role in [
            "ingest",
            "evaluate",
            "console",
            "migrate",
            "sql --as-of",
            "report",
        ] {
            assert!(why.contains(role), "{role}: {why}");
        }
        assert!(fix.contains("pool_mode = session"), "{fix}");
        for mode in [PoolerMode::Absent, PoolerMode::Session] {
            assert!(matches!(judge(Ok(mode)), CheckVerdict::Well { .. }), "{mode:?}");
        }
        assert!(matches!(judge(Err("away")), CheckVerdict::Skipped { .. }));
    }
}
