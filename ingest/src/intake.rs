//! Who reads which topics: the consumers of one process, each with a poll thread of its own.
//!
//! Pods have a consumer to themselves. A group evens its partitions out over all topics taken together, and what it
//! moves to a newcomer is the head of their list in the order of names: with one consumer for six topics that head is
//! all of namespace, node and pod, and the second ingester would take the load over instead of sharing it. Pods have a
//! group of their own too: in one group each consumer that comes or goes would rebalance the other one, and a process
//! would begin with two rebalances after each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::{kind::RecordKind, renewable::Renewable};
use rdkafka::ClientConfig;
use tokio::{sync::oneshot, task::JoinSet};

use crate::{
    IngestError, IngestSettings,
    buffer::BufferBudget,
    consumer::{KafkaPoller, PollThreadEnd, client_config},
    lane::PollCommand,
    rebalance::SharedPollState,
    topics::IngestTopics,
};

/// A consumer that had to be made again within this time after the last one ends the process.
const RECREATE_AFTER: Duration = Duration::from_secs(600);
/// How often stalls are looked for.
const STALL_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Why a poll thread is to end, so that another one begins with a new consumer.
#[derive(Debug, Default)]
pub(crate) struct PollRestart {
    /// A partition is behind and nothing lands.
    pub(crate) stalled: AtomicBool,
    /// Secrets or certificates have changed.
    pub(crate) renewed: AtomicBool,
}

/// What one consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerIntake {
    /// Its number within the process.
    pub(crate) number: usize,
    /// What its member of the group and its client are called.
    pub(crate) member: String,
    /// Its group.
    pub(crate) group: String,
    /// Topics, as indices into [`IngestTopics`].
    pub(crate) topics: Vec<usize>,
}

/// The consumers of one ingester: of pods, and of everything else. Partitions that are named one by one need no sharing.
pub(crate) fn intakes(settings: &IngestSettings, topics: &IngestTopics, owner: &str) -> Vec<ConsumerIntake> {
    let all = 0..topics.names().len();
    let is_pod = |topic: &usize| {
        topics
            .get(*topic)
            .is_some_and(|topic| topic.kind == RecordKind::Pod)
    };
    let (pods, rest): (Vec<usize>, Vec<usize>) = all.partition(is_pod);
    let (group_of_pods, group) = (format!("{}-pod", settings.group_id), settings.group_id.clone());
    if !settings.partitions.is_empty() || pods.is_empty() || rest.is_empty() {
        return vec![ConsumerIntake {
            number: 0,
            member: owner.to_owned(),
            group: if rest.is_empty() { group_of_pods } else { group },
            topics: pods.into_iter().chain(rest).collect(),
        }];
    }
    [("pod", group_of_pods, pods), ("rest", group, rest)]
        .into_iter()
        .enumerate()
        .map(|(number, (name, group, topics))| ConsumerIntake {
            number,
            member: format!("{owner}-{name}"),
            group,
            topics,
        })
        .collect()
}

/// A consumer, and what it needs to be made again.
pub(crate) struct SupervisedConsumer {
    pub(crate) shared: Arc<SharedPollState>,
    pub(crate) budget: Arc<BufferBudget>,
    pub(crate) commands: crossbeam_channel::Receiver<PollCommand>,
    pub(crate) kafka: Renewable<ClientConfig>,
    /// Consumers that share what is read ahead.
    pub(crate) share: usize,
}

/// Polls with all consumers until the process is asked to end, or one of them or one of `tasks` cannot go on.
pub(crate) async fn consume(
    consumptions: Vec<SupervisedConsumer>,
    tasks: &mut JoinSet<()>,
    shutdown: &tokio_util::sync::CancellationToken,
) -> Result<(), IngestError> {
    let mut polling = JoinSet::new();
    for consumption in consumptions {
        polling.spawn(consumption.keep_polling());
    }
    let mut result = Ok(());
    loop {
        tokio::select! {
            ended = polling.join_next() => {
                let Some(ended) = ended else {
                    return result;
                };
                let ended = ended.unwrap_or(Err(IngestError::Ended("a poll thread")));
                result = result.and(ended);
                shutdown.cancel();
            }
            Some(_) = tasks.join_next(), if !shutdown.is_cancelled() => {
                if !shutdown.is_cancelled() {
                    shutdown.cancel();
                    return Err(IngestError::Ended("a lane"));
                }
            }
        }
    }
}

impl SupervisedConsumer {
    /// Runs the poll thread; makes a new consumer once when one is stuck.
    async fn keep_polling(self) -> Result<(), IngestError> {
        let shared = &self.shared;
        let mut recreated_at: Option<Moment> = None;
        let stall = Duration::from_secs(shared.settings.stall_seconds);
        loop {
            let restart = Arc::new(PollRestart::default());
            let (version, kafka) = self.kafka.newest_with_version();
            let mut ended = self.start_poll_thread(&kafka, &restart)?;
            let mut stalled = String::new();
            let reason = loop {
                tokio::select! {
                    ended = &mut ended => break ended.unwrap_or(PollThreadEnd::Failed(IngestError::Ended("the poll thread"))),
                    () = tokio::time::sleep(STALL_CHECK_INTERVAL) => {
                        if let Some(partition) = shared.health.stalled(stall, &shared.intake.topics) {
                            tracing::error!(%partition, "a partition is behind and lands nothing");
                            stalled = partition;
                            restart.stalled.store(true, Ordering::Relaxed);
                        }
                        if self.kafka.is_newer_than(version) {
                            restart.renewed.store(true, Ordering::Relaxed);
                        }
                    }
                }
            };
            match reason {
                PollThreadEnd::Stopped => return Ok(()),
                PollThreadEnd::Failed(error) => return Err(error),
                PollThreadEnd::Renewed => {
                    tracing::info!("creating a new consumer with the newest secrets and certificates");
                }
                PollThreadEnd::Recreate(why) => {
                    tracing::error!(%why, "creating a new consumer");
                    if recreated_at.is_some_and(|at| at.elapsed() < RECREATE_AFTER) {
                        return Err(IngestError::Stalled(stalled, stall.as_secs()));
                    }
                    recreated_at = Some(Moment::now());
                }
            }
        }
    }

    fn start_poll_thread(
        &self,
        kafka: &ClientConfig,
        restart: &Arc<PollRestart>,
    ) -> Result<oneshot::Receiver<PollThreadEnd>, IngestError> {
        let (tell, ended) = oneshot::channel();
        let mut poller = KafkaPoller::new(self.shared.clone(), self.budget.clone(), self.commands.clone());
        let (settings, intake) = (&self.shared.settings, &self.shared.intake);
        let config = client_config(kafka, settings, (&intake.group, &intake.member), self.share);
        let restart = restart.clone();
        std::thread::Builder::new()
            .name(format!("ingest-poll-{}", self.shared.intake.number))
            .spawn(move || {
                let _ = tell.send(poller.run(&config, &restart));
            })
            .map_err(|_| IngestError::Ended("the poll thread"))?;
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kinds: &[&str], partitions: &[&str]) -> Vec<(String, String, Vec<String>)> {
        let settings = IngestSettings {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            topic_suffixes: vec!["dfw".to_owned(), "iad".to_owned()],
            partitions: partitions.iter().map(|name| (*name).to_owned()).collect(),
            ..IngestSettings::default()
        };
        let topics = IngestTopics::named_by(&settings);
        let named = |intake: ConsumerIntake| {
            let names = intake.topics.iter().map(|topic| topics.name(*topic).to_owned());
            (intake.member, intake.group, names.collect())
        };
        intakes(&settings, &topics, "a").into_iter().map(named).collect()
    }

    #[test]
    fn pods_of_every_datacenter_have_a_consumer_of_their_own() {
        let found = of(&["node", "pod"], &[]);
        let names = |kind: &str| {
            ["dfw", "iad"]
                .map(|suffix| format!("fleetledger.{kind}.{suffix}"))
                .to_vec()
        };
        assert_eq!(
            found,
            [
                (
                    "a-pod".to_owned(),
                    "fleetledger-ingest-pod".to_owned(),
                    names("pod")
                ),
                (
                    "a-rest".to_owned(),
                    "fleetledger-ingest".to_owned(),
                    names("node")
                )
            ]
        );
    }

    #[test]
    fn one_consumer_is_enough_for_pods_alone_for_none_and_for_partitions_that_are_named() {
        for (kinds, partitions, group) in [
            (vec!["pod"], vec![], "fleetledger-ingest-pod"),
            (vec!["node", "workload"], vec![], "fleetledger-ingest"),
            (
                vec!["node", "pod"],
                vec!["fleetledger.pod.dfw:0"],
                "fleetledger-ingest",
            ),
        ] {
            let found = of(&kinds, &partitions);
            assert_eq!(found.len(), 1, "{found:?}");
            let (member, found_group, topics) = &found[0];
            assert_eq!(
                (member.as_str(), found_group.as_str(), topics.len()),
                ("a", group, kinds.len() * 2)
            );
        }
    }
}
