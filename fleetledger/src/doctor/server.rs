//! The PostgreSQL server.

use fleetledger_schema::instant::Instant;
use tokio_postgres::types::FromSql;

use super::{CheckVerdict, DoctorObservations};

/// Clocks that differ by more than this, in seconds, make instants of history wrong.
const SKEW_SECONDS: f64 = 2.0;

pub(super) async fn reach(scene: &DoctorObservations) -> CheckVerdict {
    scene.postgres.reached(|postgres| postgres.target.clone())
}

/// The answer to a question of one value, or the verdict that says why there is none.
async fn ask<T>(scene: &DoctorObservations, question: &str) -> Result<T, CheckVerdict>
where
    T: for<'r> FromSql<'r>,
{
    let postgres = scene.postgres.get("postgres")?;
    let asked = postgres
        .client
        .query_one(question, &[])
        .await
        .and_then(|row| row.try_get(0));
    asked.map_err(|error| CheckVerdict::skipped(format!("the server's answer cannot be read ({error})")))
}

/// The server's version as a number.
const READ_VERSION: &str = "select current_setting('server_version_num')::integer";

pub(super) async fn version(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<i32>(scene, READ_VERSION).await {
        Err(skipped) => skipped,
        Ok(number) => judge_version(number),
    }
}

fn judge_version(number: i32) -> CheckVerdict {
    let major = number / 10_000;
    if major >= 15 {
        return CheckVerdict::well(format!("PostgreSQL {major}"));
    }
    CheckVerdict::broken(
        format!("PostgreSQL is version {major}"),
        "upgrade the server to 15 or later: pg_upgrade",
    )
}

/// True on a standby or a server that takes no writes.
const READ_IS_READ_ONLY: &str =
    "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean";

pub(super) async fn primary(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<bool>(scene, READ_IS_READ_ONLY).await {
        Err(skipped) => skipped,
        Ok(false) => CheckVerdict::well("it can be written"),
        Ok(true) => CheckVerdict::broken(
            "it is a standby, or read-only by default: no record can land",
            "name the primary in postgres.host or postgres.url; or: alter database … set default_transaction_read_only = off",
        ),
    }
}

/// The encoding of the database.
const READ_ENCODING: &str = "select current_setting('server_encoding')";

pub(super) async fn encoding(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<String>(scene, READ_ENCODING).await {
        Err(skipped) => skipped,
        Ok(encoding) if encoding == "UTF8" => CheckVerdict::well("UTF8"),
        Ok(encoding) => CheckVerdict::broken(
            format!("the database's encoding is {encoding}: names with other characters cannot land"),
            "create database fleetledger encoding 'UTF8' template template0, and migrate it",
        ),
    }
}

/// Settings that risk committed data.
const LIST_UNSAFE_SETTINGS: &str = "
        select coalesce(string_agg(name, ', ' order by name), '')
        from pg_settings where name in ('fsync', 'full_page_writes') and setting = 'off'";

pub(super) async fn durability(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<String>(scene, LIST_UNSAFE_SETTINGS).await {
        Err(skipped) => skipped,
        Ok(off) if off.is_empty() => CheckVerdict::well("fsync and full_page_writes are on"),
        Ok(off) => CheckVerdict::broken(
            format!("{off} is off: a crash can corrupt the database, and with it the offsets"),
            format!(
                "alter system reset {}; select pg_reload_conf()",
                off.replace(", ", "; alter system reset ")
            ),
        ),
    }
}

/// Locks for each transaction.
const READ_MAX_LOCKS: &str = "select current_setting('max_locks_per_transaction')::integer";

pub(super) async fn locks(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<i32>(scene, READ_MAX_LOCKS).await {
        Err(skipped) => skipped,
        Ok(locks) if locks >= 256 => CheckVerdict::well(format!("max_locks_per_transaction = {locks}")),
        Ok(locks) => CheckVerdict::broken(
            format!(
                "max_locks_per_transaction = {locks}: a query about the past locks every partition that it \
                 cannot prune, and fails"
            ),
            "alter system set max_locks_per_transaction = 512, then restart PostgreSQL",
        ),
    }
}

/// Whether queries are compiled.
const READ_JIT: &str = "select current_setting('jit')::boolean";

pub(super) async fn jit(scene: &DoctorObservations) -> CheckVerdict {
    match ask::<bool>(scene, READ_JIT).await {
        Err(skipped) => skipped,
        Ok(false) => CheckVerdict::well("jit = off"),
        Ok(true) => CheckVerdict::broken(
            "jit is on for this user: a query about the past takes ten times as long, most of it for \
             compilation",
            format!(
                "alter role {} set jit = off (or alter system set jit = off; select pg_reload_conf())",
                user(scene).await
            ),
        ),
    }
}

/// The current user.
const READ_USER: &str = "select quote_ident(current_user)";

async fn user(scene: &DoctorObservations) -> String {
    ask::<String>(scene, READ_USER)
        .await
        .unwrap_or_else(|_| "…".to_owned())
}

/// Connections that others have left.
const COUNT_CONNECTIONS_LEFT: &str = "
        select (current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
            - (select count(*) from pg_stat_activity where backend_type = 'client backend'))";

pub(super) async fn connections(scene: &DoctorObservations) -> CheckVerdict {
    // One a lane, and those of balance, retention and health.
    let needed = i64::try_from(scene.config.ingest.lanes)
        .unwrap_or(i64::MAX)
        .saturating_add(4);
    match ask::<i64>(scene, COUNT_CONNECTIONS_LEFT).await {
        Err(skipped) => skipped,
        Ok(left) if left >= needed => CheckVerdict::well(format!("{left} left")),
        Ok(left) => CheckVerdict::broken(
            format!("only {left} connections are left, but an ingester needs {needed}"),
            "alter system set max_connections = 200, then restart PostgreSQL; or end idle clients (pg_stat_activity)",
        ),
    }
}

/// The server's clock.
const READ_CLOCK: &str = "select clock_timestamp()";

pub(super) async fn clock(scene: &DoctorObservations) -> CheckVerdict {
    let before = Instant::now();
    match ask::<Instant>(scene, READ_CLOCK).await {
        Err(skipped) => skipped,
        Ok(there) => {
            let after = Instant::now();
            let here = before.plus_micros(after.micros_since(before) / 2);
            judge_clock("database", there.micros_since(here))
        }
    }
}

/// `ahead_micros` is how far that clock is ahead of this one.
pub(super) fn judge_clock(whose: &str, ahead_micros: i64) -> CheckVerdict {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a skew is small, and printed in whole seconds"
    )]
    let seconds = ahead_micros as f64 / 1e6;
    if seconds.abs() <= SKEW_SECONDS {
        return CheckVerdict::well(format!("{seconds:+.3} s"));
    }
    CheckVerdict::broken(
        format!("the {whose}'s clock is {seconds:+.0} s from this machine's"),
        "synchronize both machines with a time server: timedatectl set-ntp true; chronyc tracking shows \
         which one is wrong",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_is_off_and_server_that_is_old_are_broken() {
        assert!(matches!(
            judge_clock("database", 1_000_000),
            CheckVerdict::Well { .. }
        ));
        assert!(
            matches!(judge_clock("database", -90_000_000), CheckVerdict::Broken { why, .. } if why.contains("-90 s"))
        );
        assert!(matches!(judge_version(150_004), CheckVerdict::Well { .. }));
        assert!(matches!(judge_version(140_011), CheckVerdict::Broken { why, .. } if why.contains("14")));
    }
}
