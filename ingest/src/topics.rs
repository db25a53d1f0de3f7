//! The topics that are read.

use std::{collections::HashMap, time::Duration};

use fleetledger_schema::{kind::RecordKind, part_watch::PartWatch, postgres::PostgresConnector};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use tokio_util::sync::CancellationToken;

use crate::{IngestError, IngestSettings};

/// Time one question for metadata may take.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// A topic: records of one kind, from every datacenter or from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IngestTopic {
    pub(crate) name: String,
    pub(crate) kind: RecordKind,
    /// The only datacenter whose records may stand here.
    pub(crate) datacenter: Option<String>,
    pub(crate) partitions: i32,
    pub(crate) shards: u16,
}

/// All topics that are read; a [`crate::raw::PartitionId`] holds an index into them.
#[derive(Debug, Clone)]
pub(crate) struct IngestTopics {
    list: Vec<IngestTopic>,
    by_name: HashMap<String, usize>,
}

impl IngestTopics {
    pub(crate) fn new(list: Vec<IngestTopic>) -> Self {
        let by_name = list
            .iter()
            .enumerate()
            .map(|(index, topic)| (topic.name.clone(), index))
            .collect();
        Self { list, by_name }
    }

    /// The topics that `settings` name, their partition counts not yet known.
    pub(crate) fn named_by(settings: &IngestSettings) -> Self {
        let mut list = Vec::new();
        for kind in settings.kinds.iter().filter_map(|kind| RecordKind::parse(kind)) {
            let mut add = |suffix: Option<&String>| {
                list.push(IngestTopic {
                    name: kind.topic(&settings.topic_prefix, suffix.map(String::as_str)),
                    kind,
                    datacenter: suffix.cloned(),
                    partitions: 0,
                    shards: settings.shards,
                });
            };
            if settings.topic_suffixes.is_empty() {
                add(None);
            }
            settings
                .topic_suffixes
                .iter()
                .for_each(|suffix| add(Some(suffix)));
        }
        Self::new(list)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.list.iter().map(|topic| topic.name.as_str()).collect()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&IngestTopic> {
        self.list.get(index)
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.get(index).map_or("", |topic| topic.name.as_str())
    }

    /// Asks Kafka for the partition counts; returns the names of topics that do not exist.
    pub(crate) fn read_partition_counts<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
    ) -> Result<Vec<String>, IngestError> {
        let mut missing = Vec::new();
        for topic in &mut self.list {
            let metadata = consumer
                .fetch_metadata(Some(&topic.name), METADATA_TIMEOUT)
                .map_err(|source| IngestError::Kafka {
                    action: format!("ask kafka for topic {}", topic.name),
                    source,
                })?;
            let found = metadata
                .topics()
                .iter()
                .find(|found| found.name() == topic.name && found.error().is_none());
            match found.map(|found| found.partitions().len()) {
                Some(partitions) if partitions > 0 => {
                    topic.partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
                }
                _ => missing.push(topic.name.clone()),
            }
        }
        Ok(missing)
    }

    /// Asks until every topic exists.
    pub(crate) fn wait<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        wait: Duration,
        kafka: &PartWatch,
        shutdown: &CancellationToken,
    ) -> Result<(), IngestError> {
        const WHO: &str = "search for topics";
        let begin = std::time::Instant::now();
        let mut warned = false;
        loop {
            let missing = match self.read_partition_counts(consumer) {
                Ok(missing) => {
                    kafka.answered(WHO);
                    if missing.is_empty() {
                        return Ok(());
                    }
                    IngestError::NoTopic(missing.join(", "))
                }
                Err(error) => {
                    kafka.failed(WHO, &error.to_string());
                    error
                }
            };
            if shutdown.is_cancelled() || begin.elapsed() > wait {
                return Err(missing);
            }
            if !warned && matches!(missing, IngestError::NoTopic(_)) {
                tracing::warn!(error = %missing, "waiting for topics");
                warned = true;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Records partition and shard counts when a topic is first read, and refuses a change.
    pub(crate) async fn record(&self, connector: &PostgresConnector) -> Result<(), IngestError> {
        let client = connector.connect("fleetledger-ingest-topics").await?;
        let failed = |source| IngestError::Postgres {
            action: "record topics",
            source,
        };
        for topic in &self.list {
            let shards = i32::from(topic.shards);
            client
                .execute(
                    INSERT_TOPIC,
                    &[&topic.name, &topic.kind.number(), &topic.partitions, &shards],
                )
                .await
                .map_err(failed)?;
            let row = client
                .query_one(READ_TOPIC, &[&topic.name])
                .await
                .map_err(failed)?;
            for (column, what, found) in [(0, "partitions", topic.partitions), (1, "shards", shards)] {
                let recorded: i32 = row.try_get(column).map_err(failed)?;
                if recorded != found {
                    return Err(IngestError::TopicChanged {
                        topic: topic.name.clone(),
                        what,
                        found: found.into(),
                        recorded: recorded.into(),
                    });
                }
            }
        }
        Ok(())
    }
}

const INSERT_TOPIC: &str = "
    insert into ledger.topic (topic, kind, partitions, shards)
    values ($1, $2, $3, $4)
    on conflict do nothing";

const READ_TOPIC: &str = "select partitions, shards from ledger.topic where topic = $1";
