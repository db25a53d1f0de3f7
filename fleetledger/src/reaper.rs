//! Ends what readers leave running. `statement_timeout` is a reader's own to set, so it is no limit: queries of readers
//! and teams are cancelled from outside, whatever their sessions set, and so are transactions, however short the statements
//! are that they are made of: what a transaction may still see, vacuum may not remove. From PostgreSQL 18 on, which counts
//! it, sessions of readers that write much to the server's log are ended as well.

use std::time::Duration;

use deadpool_postgres::Pool;
use fleetledger_schema::postgres::is_session_fault;
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const TICK: Duration = Duration::from_secs(5);
/// A function can catch that its query was cancelled and go on: after so long a session is ended.
const PATIENCE_SECONDS: f64 = 15.0;

/// Sessions of this database beyond the limit, by roles that read (members of `fleetledger_select`, and teams) and do not write.
/// `$1` is the limit, `$2` the patience, both in seconds.
const REAP: &str = "
    with beyond as (
        select a.pid, a.usename::text as usename, a.state, a.query,
            extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.query_start))::double precision as seconds
        from pg_stat_activity as a
        join pg_roles as r on r.oid = a.usesysid
        where a.datname = current_database() and a.state <> 'idle'
          and (pg_has_role(r.oid, 'fleetledger_select', 'member') or pg_has_role(r.oid, 'fleetledger_team', 'member'))
          and not r.rolsuper and r.rolname not in ('fleetledger_ingest', 'fleetledger_evaluate')
          and r.oid <> (select d.datdba from pg_database as d where d.datname = current_database())
    )
    select pid, usename, left(query, 200), seconds,
        case when state in ('active', 'fastpath function call') and seconds < $1::double precision + $2::double precision then pg_cancel_backend(pid) else pg_terminate_backend(pid) end
    from beyond
    where seconds > $1::double precision";

/// Whether the server counts what a session writes to its log.
const COUNTS_WAL: &str = "select current_setting('server_version_num')::integer >= 180000";

/// Readers write nothing but hints, as images of whole pages; more than this many bytes beside them are logical messages.
const MOST_WAL_BYTES: f64 = 256.0 * 1024.0 * 1024.0;

/// Ends sessions of readers and teams that have written more than `$1` bytes. For PostgreSQL 18 and later.
const END_WAL_WRITERS_TEMPLATE: &str = "
    select a.pid, a.usename::text, left(a.query, 200), w.own_bytes, pg_terminate_backend(a.pid)
    from pg_stat_activity as a
    join pg_roles as r on r.oid = a.usesysid
    cross join lateral (
        select (s.wal_bytes - s.wal_fpi * current_setting('block_size')::numeric)::double precision as own_bytes
        from pg_stat_get_backend_wal(a.pid) as s
    ) as w
    where a.datname = current_database() and w.own_bytes > $1::double precision
      and (pg_has_role(r.oid, 'fleetledger_select', 'member') or pg_has_role(r.oid, 'fleetledger_team', 'member'))
      and not r.rolsuper and r.rolname not in ('fleetledger_ingest', 'fleetledger_evaluate')
      and r.oid <> (select d.datdba from pg_database as d where d.datname = current_database())";

/// What its role needs: to see when others' queries began, and to end them.
const RIGHTS: &str = "
    select pg_has_role(current_user, 'pg_signal_backend', 'usage') and pg_has_role(current_user, 'pg_read_all_stats', 'usage')";

/// Looks for sessions beyond a limit until it is told to stop.
pub(crate) struct SessionReaper {
    pool: Pool,
    limit: Duration,
}

impl SessionReaper {
    /// One that lets queries of readers run for `limit`.
    pub(crate) fn new(pool: Pool, limit: Duration) -> Self {
        Self { pool, limit }
    }

    /// Looks every five seconds. What fails is told of and tried again: nothing else depends on it.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_warned = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.reap_overdue() => looked,
            };
            match looked {
                Ok(true) => was_warned = false,
                Ok(false) if was_warned => {}
                Ok(false) => {
                    was_warned = true;
                    tracing::warn!(
                        "queries of readers are not limited: the evaluator's role may not end them; run as a superuser: \
                         grant pg_signal_backend, pg_read_all_stats to fleetledger_evaluate"
                    );
                }
                // Who evaluates tells of a database that is away, once.
                Err(error) if is_database_away(&error) => {
                    tracing::debug!("look for queries of readers: {error:#}")
                }
                Err(error) => tracing::warn!("look for queries of readers: {error:#}"),
            }
        }
    }

    /// True if it may look.
    async fn reap_overdue(&self) -> anyhow::Result<bool> {
        let client = self.pool.get().await?;
        let may: bool = client.query_one(RIGHTS, &[]).await?.try_get(0)?;
        if may {
            for ended in reap(&client, self.limit).await? {
                log_reaped(&ended)?;
            }
            if client.query_one(COUNTS_WAL, &[]).await?.try_get(0)? {
                for ended in client.query(END_WAL_WRITERS_TEMPLATE, &[&MOST_WAL_BYTES]).await? {
                    log_wal_writer(&ended)?;
                }
            }
        }
        Ok(may)
    }
}

fn is_database_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<deadpool_postgres::PoolError>() || cause.downcast_ref().is_some_and(is_session_fault)
    })
}

async fn reap(client: &Client, limit: Duration) -> Result<Vec<Row>, tokio_postgres::Error> {
    client
        .query(REAP, &[&limit.as_secs_f64(), &PATIENCE_SECONDS])
        .await
}

fn log_reaped(ended: &Row) -> Result<(), tokio_postgres::Error> {
    let (pid, user): (i32, String) = (ended.try_get(0)?, ended.try_get(1)?);
    let (query, seconds): (String, f64) = (ended.try_get(2)?, ended.try_get(3)?);
    tracing::warn!(
        pid,
        user,
        seconds,
        query,
        "a reader's query or transaction ran for too long and was ended"
    );
    Ok(())
}

fn log_wal_writer(ended: &Row) -> Result<(), tokio_postgres::Error> {
    let (pid, user): (i32, String) = (ended.try_get(0)?, ended.try_get(1)?);
    let (query, bytes): (String, f64) = (ended.try_get(2)?, ended.try_get(3)?);
    tracing::warn!(
        pid,
        user,
        bytes,
        query,
        "a reader's session wrote too much to the server's log and was ended"
    );
    Ok(())
}
