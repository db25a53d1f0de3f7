//! What the checks look at: each hop is tried once.

use std::collections::BTreeMap;

use fleetledger_queries::ReaderPool;
use fleetledger_schema::postgres::{MigrationStatus, PoolerMode, PostgresConnector, pooler_mode};
use rdkafka::ClientConfig;
use tokio_postgres::Client;

use super::CheckVerdict;
use crate::{
    cli::DoctorHop,
    config::{FleetledgerConfig, LoadedConfig},
    connect::{self, HopError, kafka::TopicMetadata, kubernetes::ApiServer},
    setup::evaluator,
    topics,
};

/// What answered, and what it said.
pub struct DoctorObservations {
    /// The configuration.
    pub config: FleetledgerConfig,
    pub(super) kafka: HopResult<KafkaObservation>,
    pub(super) postgres: HopResult<PostgresObservation>,
    /// The way of stored SQL, or why there is none.
    pub(super) reader: Result<ReaderPool, String>,
    pub(super) kubernetes: HopResult<KubernetesObservation>,
}

/// A hop as it was found.
pub(super) enum HopResult<T> {
    /// It answered.
    Answered(T),
    /// It did not.
    Failed(HopError),
    /// It is not part of this set-up, or was not asked for.
    Skipped(String),
}

pub(super) struct KafkaObservation {
    pub(super) client: ClientConfig,
    pub(super) broker: i32,
    pub(super) topics: Vec<TopicMetadata>,
    pub(super) settings: Result<BTreeMap<String, BTreeMap<String, String>>, String>,
}

pub(super) struct PostgresObservation {
    pub(super) target: String,
    pub(super) client: Client,
    pub(super) migration_status: Result<MigrationStatus, String>,
    pub(super) pooler: Result<PoolerMode, String>,
}

pub(super) struct KubernetesObservation {
    pub(super) server: ApiServer,
    pub(super) cluster_uid: Result<String, HopError>,
}

impl<T> HopResult<T> {
    /// The hop, or why the check that needs it is skipped.
    pub(super) fn get(&self, hop: &str) -> Result<&T, CheckVerdict> {
        match self {
            Self::Answered(scene) => Ok(scene),
            Self::Failed(_) => Err(CheckVerdict::skipped(format!("see {hop}-reach"))),
            Self::Skipped(why) => Err(CheckVerdict::skipped(why.clone())),
        }
    }

    /// Whether it answered, as a verdict.
    pub(super) fn reached(&self, detail: impl FnOnce(&T) -> String) -> CheckVerdict {
        match self {
            Self::Answered(scene) => CheckVerdict::well(detail(scene)),
            Self::Failed(error) => {
                CheckVerdict::broken(format!("{}: {}", error.hop, error.why), error.fix.clone())
            }
            Self::Skipped(why) => CheckVerdict::skipped(why.clone()),
        }
    }
}

impl DoctorObservations {
    /// Tries each hop once.
    pub async fn observe(loaded: &LoadedConfig, only: Option<DoctorHop>) -> Self {
        let config = loaded.config.clone();
        let wanted = |hops: &[DoctorHop]| only.is_none_or(|only| hops.contains(&only));
        let left = || "not asked for".to_owned();
        let kafka = async {
            if wanted(&[DoctorHop::Kafka]) {
                observe_kafka(&config).await
            } else {
                HopResult::Skipped(left())
            }
        };
        // Recorded partition counts and cluster names stand in the database.
        let postgres = async {
            if only != Some(DoctorHop::Machine) {
                observe_postgres(&config).await
            } else {
                HopResult::Skipped(left())
            }
        };
        let kubernetes = async {
            if wanted(&[DoctorHop::Kubernetes]) {
                observe_kubernetes(&config).await
            } else {
                HopResult::Skipped(left())
            }
        };
        let (kafka, postgres, kubernetes) = tokio::join!(kafka, postgres, kubernetes);
        Self {
            config,
            kafka,
            postgres,
            reader: reader(loaded),
            kubernetes,
        }
    }
}

fn reader(loaded: &LoadedConfig) -> Result<ReaderPool, String> {
    let ways = evaluator::connectors(loaded).map_err(|error| connect::hop::chain(error.as_ref()))?;
    ReaderPool::new(&ways.rules, 1).map_err(|error| error.to_string())
}

async fn observe_kafka(config: &FleetledgerConfig) -> HopResult<KafkaObservation> {
    let client = match connect::kafka::client_config(&config.kafka) {
        Ok(client) => client,
        Err(fault) => {
            return HopResult::Failed(HopError::setup(
                "kafka",
                format!("{}: {}", fault.key, fault.why),
                "correct the reference to the secret",
            ));
        }
    };
    let metadata = match connect::kafka::brokers(&config.kafka, &client).await {
        Ok(reported) => reported,
        Err(error) => return HopResult::Failed(error),
    };
    let connect::kafka::BrokerMetadata { broker, topics } = metadata;
    let wanted: Vec<String> = topics::names(config)
        .into_iter()
        .map(|(_, name)| name)
        .filter(|name| {
            topics
                .iter()
                .any(|topic| topic.topic == *name && topic.partitions > 0)
        })
        .collect();
    let settings = if wanted.is_empty() {
        Ok(BTreeMap::new())
    } else {
        topics::describe(&client, &wanted).await
    };
    HopResult::Answered(KafkaObservation {
        client,
        broker,
        topics,
        settings: settings.map_err(|error| error.to_string()),
    })
}

async fn observe_postgres(config: &FleetledgerConfig) -> HopResult<PostgresObservation> {
    let connector: PostgresConnector = match connect::postgres::connector(&config.postgres) {
        Ok(connector) => connector,
        Err(error) => {
            let why = connect::hop::chain(error.as_ref());
            return HopResult::Failed(HopError::setup("postgres", why, "correct the section [postgres]"));
        }
    };
    match connect::postgres::connect(&config.postgres, &connector, "fleetledger-doctor").await {
        Ok(client) => {
            let migration_status = fleetledger_schema::postgres::migration_status(&client).await;
            let status = migration_status.map_err(|error| connect::hop::chain(&error));
            let pooler = pooler_mode(&connector).await;
            HopResult::Answered(PostgresObservation {
                target: connector.target(),
                client,
                migration_status: status,
                pooler: pooler.map_err(|error| connect::hop::chain(&error)),
            })
        }
        Err(error) => HopResult::Failed(error),
    }
}

async fn observe_kubernetes(config: &FleetledgerConfig) -> HopResult<KubernetesObservation> {
    let kubernetes = &config.kubernetes;
    if config.emit.datacenter.is_empty() && kubernetes.url.is_none() && kubernetes.kubeconfig.is_none() {
        return HopResult::Skipped("no emitter is configured here (emit.datacenter is empty)".to_owned());
    }
    let server = match connect::kubernetes::client(kubernetes) {
        Ok(server) => server,
        Err(error) => {
            let why = connect::hop::chain(error.as_ref());
            return HopResult::Failed(HopError::setup(
                "kubernetes",
                why,
                "correct the section [kubernetes]",
            ));
        }
    };
    let probed = connect::kubernetes::probe(kubernetes, &server).await;
    match probed {
        // An API server that forbids this one question can still be asked what it allows.
        Err(error) if error.why.starts_with("it does not allow") => {
            HopResult::Answered(KubernetesObservation {
                server,
                cluster_uid: Err(error),
            })
        }
        Err(error) => HopResult::Failed(error),
        Ok(uid) => HopResult::Answered(KubernetesObservation {
            server,
            cluster_uid: Ok(uid),
        }),
    }
}
