//! A central site, a neighbour that does nothing wrong, and whoever may write to the same topics.

use std::{sync::Arc, time::Duration};

use fleetledger_ingest::{IdentitySettings, IngestSettings, clusters};
use fleetledger_schema::{kind::RecordKind, mac::MacKey, record::Record};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    ingester::{self, TestIngester},
    manual_emitter::{ManualEmitter, namespace, pod},
    parts::{self, PARTITIONS, SharedServers},
};
use rdkafka::ClientConfig;

pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// The neighbour's name and uid.
pub(crate) const OWNER: &str = "owner";
pub(crate) const OWNER_UID: &str = "cluster-uid-owner";
/// Objects that the neighbour has.
pub(crate) const PODS: usize = 40;

pub(crate) struct AttackedSite {
    pub(crate) parts: Arc<SharedServers>,
    pub(crate) database: LedgerDatabase,
    pub(crate) prefix: String,
    pub(crate) ingester: TestIngester,
    /// The neighbour's key.
    pub(crate) key: MacKey,
    folder: tempfile::TempDir,
}

fn key(byte: &str) -> String {
    byte.repeat(32)
}

impl AttackedSite {
    /// With keys: the neighbour must sign.
    pub(crate) async fn signed(test: &str, change: impl FnOnce(&mut IngestSettings)) -> Option<Self> {
        Self::start(test, true, change).await
    }

    /// Without: whoever may write to a topic may write under any key.
    pub(crate) async fn unsigned(test: &str, change: impl FnOnce(&mut IngestSettings)) -> Option<Self> {
        Self::start(test, false, change).await
    }

    /// Admits a cluster, as `fleetledger clusters admit` does.
    pub(crate) async fn admit(&self, cluster: &str, cluster_uid: &str) {
        clusters::admit(&self.database.owner, ("dfw", cluster), cluster_uid)
            .await
            .unwrap();
    }

    async fn start(test: &str, has_keys: bool, change: impl FnOnce(&mut IngestSettings)) -> Option<Self> {
        let parts = parts::shared(test).await?;
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clusters.keys");
        // The key before it is valid too, while it is being replaced.
        let lines = format!("# keys\ndfw/{OWNER} {}\ndfw/{OWNER} {}\n", key("a1"), key("b2"));
        std::fs::write(&file, lines).unwrap();
        let mut settings = IngestSettings {
            quarantine_window: 200,
            quarantine_minimum: 20,
            ..ingester::settings(&prefix)
        };
        if has_keys {
            settings.identity = IdentitySettings {
                key_file: file.display().to_string(),
                ..IdentitySettings::default()
            };
        }
        change(&mut settings);
        let ingester =
            TestIngester::start_with(settings, &parts.kafka.client_config(), database.ingester.clone());
        Some(Self {
            parts,
            database,
            prefix,
            ingester,
            key: MacKey::parse(&key("a1")).unwrap(),
            folder,
        })
    }

    pub(crate) fn kafka(&self) -> ClientConfig {
        self.parts.kafka.client_config()
    }

    /// Somebody who may write to the topics, under any name.
    pub(crate) fn attacker(&self, name: &str, cluster_uid: &str) -> ManualEmitter {
        ManualEmitter::new(&self.kafka(), &self.prefix, name, cluster_uid)
    }

    /// A source that nobody knows, whose records stand in the neighbour's partition.
    pub(crate) fn invented(&self, number: usize) -> ManualEmitter {
        let partition = self.attacker(OWNER, OWNER_UID).partition();
        let uid = (0..)
            .map(|n| format!("invented-{number}-{n}"))
            .find(|uid| fleetledger_schema::partition::partition_of(uid, 0, PARTITIONS) == partition);
        self.attacker(&format!("invented-{number}"), &uid.unwrap())
    }

    /// The neighbour, with its objects landed by a sweep.
    pub(crate) async fn owner(&self, is_signed: bool) -> ManualEmitter {
        let mut owner = self.attacker(OWNER, OWNER_UID);
        owner.key = is_signed.then(|| self.key.clone());
        owner.sweep(RecordKind::Pod, &pods());
        owner.sweep(RecordKind::Namespace, &[namespace("n", "search")]);
        owner.flush().await;
        self.await_number(
            "the neighbour has landed",
            "select count(*) from fleet.sweep where cluster = 'owner' and state = 'complete' and kind in ('pod', 'namespace')",
            2,
        )
        .await;
        owner
    }

    /// Sends one record more, and awaits that it lands: everything before it was judged.
    pub(crate) async fn await_next(&self, owner: &mut ManualEmitter, uid: &str) {
        owner.write(&pod(uid, 77));
        owner.flush().await;
        let landed = format!("select count(*) from fleet.pod where cluster = 'owner' and uid_text = '{uid}'");
        self.await_number("the neighbour lands again", &landed, 1).await;
    }

    pub(crate) async fn await_number(&self, what: &str, query: &str, expected: i64) {
        eventually(what, LIMIT, || async {
            let found = self.database.number(query).await;
            ensure(found == expected, || format!("{found}, not {expected}"))
        })
        .await;
    }

    /// Nothing of the neighbour was closed, put aside or stopped.
    pub(crate) async fn assert_unharmed(&self, pods: usize) {
        for (what, query, expected) in [
            (
                "pods",
                "select count(*) from fleet.pod where cluster = 'owner'",
                pods,
            ),
            (
                "closed objects",
                "select count(*) from fleet.pod_history where cluster = 'owner' and closed_reason in ('absent_from_sweep', 'deleted')",
                0,
            ),
            (
                "false quarantines",
                "select count(*) from fleet.quarantine where cluster = 'owner' and cluster_uid = 'cluster-uid-owner' and released_at is null",
                0,
            ),
            (
                "halted partitions",
                "select count(*) from fleet.ingest_partition where state = 'halted'",
                0,
            ),
            ("gaps", "select count(*) from fleet.gap", 0),
        ] {
            let found = self.database.number(query).await;
            assert_eq!(found, i64::try_from(expected).unwrap(), "{what}");
        }
    }

    pub(crate) async fn end(self) {
        self.ingester.stop().await;
        drop(self.folder);
    }
}

pub(crate) fn pods() -> Vec<Record> {
    (0..PODS).map(|number| pod(&format!("p{number}"), 100)).collect()
}
