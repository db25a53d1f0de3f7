//! The central site's database: a primary and a standby, crashed and failed over.

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{database::LedgerDatabase, parts};

const NAME: &str = "soak";
const LANDED: &str = "select coalesce(sum(next_offset), 0)::bigint from ledger.ingest_partition";

/// Two servers, of which one takes writes.
pub(crate) struct ReplicatedDatabase {
    primary: LocalPostgres,
    standby: Option<LocalPostgres>,
    /// Of both servers.
    url: String,
    old_primary: Option<LocalPostgres>,
    seen: i64,
}

impl ReplicatedDatabase {
    /// Quick rather than durable: a crash loses commits that were acknowledged, which must do no harm.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let cache = parts::cache();
        let primary = LocalPostgres::builder().temporary().fast().start(&cache).await;
        let primary = unless_available(test, primary).unwrap()?;
        let database = LedgerDatabase::create(&primary, NAME).await;
        drop(database);
        let standby = primary.standby(&cache).await.unwrap();
        let url = format!(
            "postgres://fleetledger@127.0.0.1:{},127.0.0.1:{}/{NAME}?target_session_attrs=read-write",
            primary.port(),
            standby.port()
        );
        Some(Self {
            primary,
            standby: Some(standby),
            url,
            old_primary: None,
            seen: 0,
        })
    }

    pub(crate) fn ingester_url(&self) -> String {
        self.url.replacen("fleetledger@", "fleetledger_ingest@", 1)
    }

    /// The database on whichever server takes writes.
    pub(crate) async fn database(&self) -> LedgerDatabase {
        LedgerDatabase::open(&self.url).await
    }

    /// Stops at once, as a crash would, and starts again.
    pub(crate) async fn crash(&mut self) {
        self.primary.stop_immediate().await.unwrap();
        self.primary.start().await.unwrap();
    }

    /// The standby hears nothing more.
    pub(crate) async fn stop_following(&self) {
        self.standby.as_ref().unwrap().stop_following().await.unwrap();
    }

    /// The standby takes over; the old primary goes on answering, read-only. Returns how many records it was behind.
    pub(crate) async fn fail_over(&mut self) -> i64 {
        let standby = self.standby.take().unwrap();
        // A session that stays with the old primary.
        let old = LedgerDatabase::open(&self.primary.url_of(NAME)).await;
        self.primary.refuse_writes().await.unwrap();
        standby.promote().await.unwrap();
        self.old_primary = Some(std::mem::replace(&mut self.primary, standby));
        let there = old.number(LANDED).await;
        let here = LedgerDatabase::ask(&self.primary.url_of(NAME), LANDED)
            .await
            .unwrap();
        (there - here).max(0)
    }

    /// Has something landed since the last time it was asked? What a crash has lost counts too.
    pub(crate) async fn has_moved(&mut self) -> bool {
        match LedgerDatabase::ask(&self.url, LANDED).await {
            Ok(landed) => std::mem::replace(&mut self.seen, landed) != landed,
            Err(_) => false,
        }
    }
}
