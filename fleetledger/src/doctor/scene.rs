//! What the checks look at: each hop is tried once.

use std::collections::BTreeMap;

use fleetledger_queries::Reader;
use fleetledger_schema::postgres::{Connector, Standing};
use rdkafka::ClientConfig;
use tokio_postgres::Client;

use super::Verdict;
use crate::{
    cli::DoctorHop,
    command::evaluate,
    config::{Config, Loaded},
    connect::{self, HopError, kafka::TopicMetadata, kubernetes::ApiServer},
    topics,
};

/// What answered, and what it said.
pub struct Scene {
    /// The configuration.
    pub config: Config,
    pub(super) kafka: Looked<KafkaScene>,
    pub(super) postgres: Looked<PostgresScene>,
    /// The way of stored SQL, or why there is none.
    pub(super) reader: Result<Reader, String>,
    pub(super) kubernetes: Looked<KubernetesScene>,
}

/// A hop as it was found.
pub(super) enum Looked<T> {
    /// It answered.
    Answered(T),
    /// It did not.
    Failed(HopError),
    /// It is not part of this set-up, or was not asked for.
    Left(String),
}

pub(super) struct KafkaScene {
    pub(super) client: ClientConfig,
    pub(super) broker: i32,
    pub(super) topics: Vec<TopicMetadata>,
    pub(super) settings: Result<BTreeMap<String, BTreeMap<String, String>>, String>,
}

pub(super) struct PostgresScene {
    pub(super) target: String,
    pub(super) client: Client,
    pub(super) standing: Result<Standing, String>,
}

pub(super) struct KubernetesScene {
    pub(super) server: ApiServer,
    pub(super) cluster_uid: Result<String, HopError>,
}

impl<T> Looked<T> {
    /// The hop, or why the check that needs it is skipped.
    pub(super) fn get(&self, hop: &str) -> Result<&T, Verdict> {
        match self {
            Self::Answered(scene) => Ok(scene),
            Self::Failed(_) => Err(Verdict::skipped(format!("see {hop}-reach"))),
            Self::Left(why) => Err(Verdict::skipped(why.clone())),
        }
    }

    /// Whether it answered, as a verdict.
    pub(super) fn reached(&self, detail: impl FnOnce(&T) -> String) -> Verdict {
        match self {
            Self::Answered(scene) => Verdict::well(detail(scene)),
            Self::Failed(error) => {
                Verdict::broken(format!("{}: {}", error.hop, error.why), error.fix.clone())
            }
            Self::Left(why) => Verdict::skipped(why.clone()),
        }
    }
}

impl Scene {
    /// Tries each hop once.
    pub async fn look(loaded: &Loaded, only: Option<DoctorHop>) -> Self {
        let config = loaded.config.clone();
        let wanted = |hops: &[DoctorHop]| only.is_none_or(|only| hops.contains(&only));
        let left = || "not asked for".to_owned();
        let kafka = async {
            if wanted(&[DoctorHop::Kafka]) {
                look_at_kafka(&config).await
            } else {
                Looked::Left(left())
            }
        };
        // Recorded partition counts and cluster names stand in the database.
        let postgres = async {
            if only != Some(DoctorHop::Machine) {
                look_at_postgres(&config).await
            } else {
                Looked::Left(left())
            }
        };
        let kubernetes = async {
            if wanted(&[DoctorHop::Kubernetes]) {
                look_at_kubernetes(&config).await
            } else {
                Looked::Left(left())
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

fn reader(loaded: &Loaded) -> Result<Reader, String> {
    let ways = evaluate::ways(loaded).map_err(|error| connect::hop::chain(error.as_ref()))?;
    Reader::new(&ways.reader, 1).map_err(|error| error.to_string())
}

async fn look_at_kafka(config: &Config) -> Looked<KafkaScene> {
    let client = match connect::kafka::client_config(&config.kafka) {
        Ok(client) => client,
        Err(fault) => {
            return Looked::Failed(HopError::setup(
                "kafka",
                format!("{}: {}", fault.key, fault.why),
                "correct the secret's place",
            ));
        }
    };
    let told = match connect::kafka::brokers(&config.kafka, &client).await {
        Ok(told) => told,
        Err(error) => return Looked::Failed(error),
    };
    let connect::kafka::Brokers { broker, topics } = told;
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
    Looked::Answered(KafkaScene {
        client,
        broker,
        topics,
        settings: settings.map_err(|error| error.to_string()),
    })
}

async fn look_at_postgres(config: &Config) -> Looked<PostgresScene> {
    let connector: Connector = match connect::postgres::connector(&config.postgres) {
        Ok(connector) => connector,
        Err(error) => {
            let why = connect::hop::chain(error.as_ref());
            return Looked::Failed(HopError::setup("postgres", why, "correct the section [postgres]"));
        }
    };
    match connect::postgres::connect(&config.postgres, &connector, "fleetledger-doctor").await {
        Ok(client) => {
            let standing = fleetledger_schema::postgres::standing(&client).await;
            let standing = standing.map_err(|error| connect::hop::chain(&error));
            Looked::Answered(PostgresScene {
                target: connector.target(),
                client,
                standing,
            })
        }
        Err(error) => Looked::Failed(error),
    }
}

async fn look_at_kubernetes(config: &Config) -> Looked<KubernetesScene> {
    let kubernetes = &config.kubernetes;
    if config.emit.datacenter.is_empty() && kubernetes.url.is_none() && kubernetes.kubeconfig.is_none() {
        return Looked::Left("no emitter is configured here (emit.datacenter is empty)".to_owned());
    }
    let server = match connect::kubernetes::client(kubernetes).await {
        Ok(server) => server,
        Err(error) => {
            let why = connect::hop::chain(error.as_ref());
            return Looked::Failed(HopError::setup(
                "kubernetes",
                why,
                "correct the section [kubernetes]",
            ));
        }
    };
    let probed = connect::kubernetes::probe(kubernetes, &server).await;
    match probed {
        // An API server that forbids this one question can still be asked what it allows.
        Err(error) if error.why.starts_with("it forbids") => Looked::Answered(KubernetesScene {
            server,
            cluster_uid: Err(error),
        }),
        Err(error) => Looked::Failed(error),
        Ok(uid) => Looked::Answered(KubernetesScene {
            server,
            cluster_uid: Ok(uid),
        }),
    }
}
