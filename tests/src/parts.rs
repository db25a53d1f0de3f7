//! The servers that the tests of one binary share while any of them runs.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, Ordering},
};

use fleetledger_local::{ArtifactCache, kafka::LocalKafka, postgres::LocalPostgres, skip::unless_available};
use fleetledger_schema::kind::RecordKind;
use tokio::sync::Mutex;

use crate::database::LedgerDatabase;

/// Partitions of each topic: more than one, so that clusters share some and not others.
pub const PARTITIONS: i32 = 3;

/// Seven days, as the architecture asks: nothing is compacted under a test.
const MIN_COMPACTION_LAG_MS: &str = "604800000";

static SHARED: Mutex<Weak<SharedServers>> = Mutex::const_new(Weak::new());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A PostgreSQL and a one-broker Kafka. They end when the last test lets go of them.
#[derive(Debug)]
pub struct SharedServers {
    /// The database server.
    pub postgres: LocalPostgres,
    /// The broker.
    pub kafka: LocalKafka,
}

/// The cache all parts come from.
#[must_use]
pub fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

/// The servers of this binary, started if no other test holds them. `None` where one is not available on this
/// machine: the test is then skipped, loudly.
pub async fn shared(test: &str) -> Option<Arc<SharedServers>> {
    log();
    let mut shared = SHARED.lock().await;
    if let Some(parts) = shared.upgrade() {
        return Some(parts);
    }
    let cache = cache();
    let kafka = LocalKafka::builder()
        .property("group.min.session.timeout.ms", "500")
        .property("log.cleaner.backoff.ms", "500")
        .start(&cache);
    let postgres = LocalPostgres::builder().temporary().fast().start(&cache);
    let (kafka, postgres) = tokio::join!(kafka, postgres);
    let kafka = unless_available(test, kafka).unwrap()?;
    let postgres = unless_available(test, postgres).unwrap()?;
    let parts = Arc::new(SharedServers { postgres, kafka });
    *shared = Arc::downgrade(&parts);
    Some(parts)
}

/// Shows warnings, or what `RUST_LOG` asks for, beside a failed test's output.
fn log() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,rdkafka=error".into());
    // Another test of this binary may have been first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}

impl SharedServers {
    /// A migrated database of its own.
    pub async fn database(&self) -> LedgerDatabase {
        LedgerDatabase::create(&self.postgres, &unique("ledger")).await
    }

    /// Creates the topics of every kind as `deploy/` does, under a prefix of their own, which is returned.
    pub async fn topics(&self) -> String {
        let prefix = unique("t");
        create_topics(&self.kafka, &prefix, PARTITIONS).await;
        prefix
    }
}

/// Creates the compacted topics of every kind under `prefix`.
pub async fn create_topics(kafka: &LocalKafka, prefix: &str, partitions: i32) {
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", MIN_COMPACTION_LAG_MS),
        ("segment.bytes", "33554432"),
    ];
    create(kafka, prefix, partitions, &settings).await;
}

/// Creates the topics of every kind under `prefix` with other settings.
pub async fn create_topics_with(kafka: &LocalKafka, prefix: &str, settings: &[(&str, &str)]) {
    create(kafka, prefix, PARTITIONS, settings).await;
}

async fn create(kafka: &LocalKafka, prefix: &str, partitions: i32, settings: &[(&str, &str)]) {
    for kind in RecordKind::TOPICS {
        // Usage is a log that ages: compacted, it would keep one window of each node.
        let settings = if kind.is_object() { settings } else { &[] };
        kafka
            .create_topic(&kind.topic(prefix, None), partitions, settings)
            .await
            .unwrap();
    }
}

/// A name no other test of this process uses.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
