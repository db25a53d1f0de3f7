//! The demo's story: incidents that come back every half hour, at the same minutes, in clusters that play a part each.
//!
//! docs/quick-start.md tells it to whoever watches; what it is alerted of is listed in `tests/tests/story.rs`.

use fleetledger_schema::instant::Instant;
use k8s_openapi::api::core::v1::{NamespaceCondition, Node, Taint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    build,
    pod_state::restart,
    template::{self, PodShape},
    world::{ScheduledAction, SimulatedCluster, time},
};
use crate::resource::{KubeObject, WatchedResource};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Time after which the story begins anew.
pub const STORY_CYCLE_SECONDS: i64 = 1_800;

/// Pods that are evicted, and the time between two of them.
const EVICTED: usize = 8;
const EVICTION_PAUSE: i64 = 5 * SECOND;
/// The longest pause of the kubelet before it restarts a container; each is twice as long as the one before, from 10 s.
const LONGEST_BACK_OFF: i64 = 300;

/// The part that a simulated cluster plays in the demo's story.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoryPart {
    /// None: nothing of the story happens.
    #[default]
    None,
    /// A bad image; a node hangs and is rebooted.
    First,
    /// A bad image; a check fails, and a node runs out of memory and evicts pods.
    Second,
    /// A bad image; a cordoned node, pods that fit nowhere, containers beyond their memory limit, a namespace that does not end.
    Third,
}

/// How far the story is.
#[derive(Debug, Default)]
pub(super) struct StoryProgress {
    began_at: Instant,
    /// Numbers of the workloads that play in it; they are the last ones.
    storefront: Option<usize>,
    forecast: Option<usize>,
    ranker: Option<usize>,
    /// True while the image of the storefront is the bad one.
    is_crashing: bool,
}

impl StoryProgress {
    /// Number of its workloads.
    pub(super) fn workloads(&self) -> usize {
        [self.storefront, self.forecast, self.ranker]
            .iter()
            .flatten()
            .count()
    }
}

/// Something that the story does.
#[derive(Debug, Clone)]
pub(super) enum StoryStep {
    /// A cycle begins.
    Begin(u32),
    RollOut,
    Crash,
    CrashPod {
        pod: String,
        restarts: u32,
    },
    RestartPod {
        pod: String,
        restarts: u32,
    },
    Mend,
    FailWatchdog,
    PressNode(u32),
    EvictPod(String),
    RelieveNode(u32),
    EvictOne,
    Cordon(u32),
    Uncordon(u32),
    HangNode(u32),
    RebootNode(u32),
    AskTooMuch,
    AskNoMore,
    RunOutOfMemory,
    RaiseMemory,
    HangNamespace(u32),
}

impl StoryPart {
    /// What happens in a cycle, and how many seconds after its begin.
    fn steps(self, cycle: u32) -> Vec<(i64, StoryStep)> {
        let mut steps = vec![
            (5, StoryStep::EvictOne),
            (30, StoryStep::RollOut),
            (150, StoryStep::Crash),
            (19 * 60, StoryStep::Mend),
        ];
        match self {
            StoryPart::None => steps.clear(),
            StoryPart::First => steps.extend([
                (8 * 60, StoryStep::HangNode(cycle)),
                (18 * 60, StoryStep::RebootNode(cycle)),
            ]),
            StoryPart::Second => steps.extend([
                (60, StoryStep::FailWatchdog),
                (5 * 60, StoryStep::PressNode(cycle)),
                (17 * 60, StoryStep::RelieveNode(cycle)),
            ]),
            StoryPart::Third => {
                steps.extend([
                    (30, StoryStep::Cordon(cycle)),
                    (25 * 60, StoryStep::Uncordon(cycle)),
                    (2 * 60, StoryStep::AskTooMuch),
                    (10 * 60, StoryStep::RunOutOfMemory),
                    (22 * 60, StoryStep::RaiseMemory),
                    (24 * 60, StoryStep::AskNoMore),
                ]);
                if cycle.is_multiple_of(2) {
                    steps.push((5 * 60, StoryStep::HangNamespace(cycle)));
                }
            }
        }
        steps
    }
}

impl SimulatedCluster {
    /// Makes what the story needs, and begins it.
    pub(super) fn begin_story(&mut self, now: Instant) {
        let part = self.settings.story;
        if part == StoryPart::None {
            return;
        }
        self.story.began_at = now;
        let of = |team: &str, app: &str, cpu_millicores: u32, memory_mib: u32| PodShape {
            namespace: team.to_owned(),
            team: team.to_owned(),
            app: app.to_owned(),
            image: format!("registry.example/{team}/{app}:v41"),
            cpu_millicores,
            memory_mib,
            gpus: 0,
            sidecar: false,
            is_limited: true,
            host_path: false,
        };
        self.story.storefront = Some(self.workloads.len());
        build::workload(self, "storefront", of("checkout", "storefront", 200, 256), 6, now);
        if part == StoryPart::Third {
            self.story.forecast = Some(self.workloads.len());
            // More cores than any machine has.
            build::workload(self, "forecast", of("insight", "forecast", 60_000, 4_096), 0, now);
            self.story.ranker = Some(self.workloads.len());
            build::workload(self, "ranker", of("search", "ranker", 250, 512), 4, now);
        }
        self.later(now, 0, ScheduledAction::Story(StoryStep::Begin(0)));
    }

    /// Lets a step of the story happen.
    pub(super) fn tell(&mut self, step: StoryStep, now: Instant) {
        match step {
            StoryStep::Begin(cycle) => self.begin_cycle(cycle, now),
            StoryStep::RollOut => self.change_story(|story| story.storefront, now, Self::roll_out_workload),
            StoryStep::Crash => self.crash_storefront(now),
            StoryStep::CrashPod { pod, restarts } => self.crash_story_pod(&pod, restarts, now),
            StoryStep::RestartPod { pod, restarts } => self.restart_story_pod(&pod, restarts, now),
            StoryStep::Mend => {
                self.story.is_crashing = false;
                self.change_story(|story| story.storefront, now, Self::roll_out_workload);
            }
            StoryStep::FailWatchdog => {
                let uid = self.stable_uid("watchdog/dns");
                self.set_watchdog(&uid, true, now);
                self.later(now, 5 * MINUTE, ScheduledAction::WatchdogOk(uid));
            }
            StoryStep::PressNode(cycle) => self.press_node(cycle, now),
            StoryStep::EvictPod(pod) => {
                if let Some(workload) = self.workload_of.get(&pod).copied() {
                    self.evict_pod(workload, &pod, 13 * MINUTE, now);
                }
            }
            // One is nobody's alert; it stays as a failed pod for most of the cycle.
            StoryStep::EvictOne => {
                let pod = self.living_pods(0).into_iter().next();
                if let Some(pod) = pod {
                    self.evict_pod(0, &pod, 25 * MINUTE, now);
                }
            }
            StoryStep::RelieveNode(cycle) => self.set_pressure(cycle, false, now),
            StoryStep::Cordon(cycle) => self.set_cordoned(cycle, true, now),
            StoryStep::Uncordon(cycle) => self.set_cordoned(cycle, false, now),
            StoryStep::HangNode(cycle) => {
                if let Some((index, node)) = self
                    .story_node(cycle)
                    .and_then(|index| Some((index, self.nodes.get_mut(index)?)))
                {
                    node.up = false;
                    self.later(now, 40 * SECOND, ScheduledAction::NodeUnknown(index));
                }
            }
            StoryStep::RebootNode(cycle) => self.reboot_node(cycle, now),
            StoryStep::AskTooMuch => self.scale_story(3, now),
            StoryStep::AskNoMore => self.scale_story(0, now),
            StoryStep::RunOutOfMemory => self.run_out_of_memory(now),
            StoryStep::RaiseMemory => self.change_story(|story| story.ranker, now, Self::roll_out_workload),
            StoryStep::HangNamespace(cycle) => self.hang_namespace(cycle, now),
        }
    }

    /// A pod of the storefront that began to run crashes too, while its image is the bad one.
    pub(super) fn note_run(&mut self, pod: &str, now: Instant) {
        let workload = self.workload_of.get(pod).copied();
        if self.story.is_crashing && workload.is_some() && workload == self.story.storefront {
            self.crash_later(pod, 0, now);
        }
    }

    fn begin_cycle(&mut self, cycle: u32, now: Instant) {
        let began_at = self
            .story
            .began_at
            .plus_micros(i64::from(cycle) * STORY_CYCLE_SECONDS * SECOND);
        let mut steps = self.settings.story.steps(cycle);
        steps.push((STORY_CYCLE_SECONDS, StoryStep::Begin(cycle + 1)));
        for (seconds, step) in steps {
            let until = began_at.plus_micros(seconds * SECOND).micros_since(now);
            self.later(now, until.max(0), ScheduledAction::Story(step));
        }
    }

    fn change_story(
        &mut self,
        which: fn(&StoryProgress) -> Option<usize>,
        now: Instant,
        change: fn(&mut Self, usize, Instant),
    ) {
        if let Some(workload) = which(&self.story) {
            change(self, workload, now);
        }
    }

    fn crash_storefront(&mut self, now: Instant) {
        self.story.is_crashing = true;
        let Some(workload) = self.story.storefront else {
            return;
        };
        for pod in self.living_pods(workload) {
            self.crash_later(&pod, 0, now);
        }
    }

    fn crash_later(&mut self, pod: &str, restarts: u32, now: Instant) {
        let pause = self.between(3.0, 6.0);
        let pod = pod.to_owned();
        self.later(
            now,
            pause,
            ScheduledAction::Story(StoryStep::CrashPod { pod, restarts }),
        );
    }

    fn crash_story_pod(&mut self, pod: &str, restarts: u32, now: Instant) {
        let is_there = self
            .pod(pod)
            .is_some_and(|pod| pod.metadata.deletion_timestamp.is_none());
        if !is_there || !self.story.is_crashing {
            return;
        }
        let back_off = (10 << restarts.min(5)).min(LONGEST_BACK_OFF);
        self.crash_pod(pod, "Error", 1, &format!("{back_off}s"), now);
        self.refresh_workload_of(pod);
        let pod = pod.to_owned();
        let step = StoryStep::RestartPod { pod, restarts };
        self.later(now, back_off * SECOND, ScheduledAction::Story(step));
    }

    fn restart_story_pod(&mut self, pod: &str, restarts: u32, now: Instant) {
        self.change_pod(pod, |pod| restart(pod, now));
        self.refresh_workload_of(pod);
        self.crash_later(pod, restarts + 1, now);
    }

    /// One of the nodes without cards, another one each time.
    fn story_node(&self, number: u32) -> Option<usize> {
        let nodes = self.nodes.iter().enumerate();
        let plain: Vec<usize> = nodes
            .filter(|(_, node)| node.allocatable.gpus == 0)
            .map(|(index, _)| index)
            .collect();
        plain.get(number as usize % plain.len().max(1)).copied()
    }

    /// A node is short of memory and evicts pods, those with a limit first.
    fn press_node(&mut self, cycle: u32, now: Instant) {
        self.set_pressure(cycle, true, now);
        let Some(index) = self.story_node(cycle) else {
            return;
        };
        let mut pods = self.pods_on(index);
        pods.retain(|uid| self.workload_of.contains_key(uid));
        pods.sort_by_key(|uid| {
            let spec = self.pod(uid).and_then(|pod| pod.spec.as_ref());
            spec.is_some_and(|spec| spec.init_containers.is_some())
        });
        for (number, pod) in (0..).zip(pods.into_iter().take(EVICTED)) {
            let step = StoryStep::EvictPod(pod);
            self.later(now, number * EVICTION_PAUSE, ScheduledAction::Story(step));
        }
    }

    fn set_pressure(&mut self, cycle: u32, is_pressed: bool, now: Instant) {
        let Some(index) = self.story_node(cycle) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.is_tainted = is_pressed;
        }
        self.change_node(index, |node| {
            let conditions = node
                .status
                .iter_mut()
                .flat_map(|status| status.conditions.iter_mut());
            for condition in conditions
                .flatten()
                .filter(|condition| condition.type_ == "MemoryPressure")
            {
                let (status, reason, message) = match is_pressed {
                    true => (
                        "True",
                        "KubeletHasInsufficientMemory",
                        "kubelet has insufficient memory available",
                    ),
                    false => (
                        "False",
                        "KubeletHasSufficientMemory",
                        "kubelet has sufficient memory available",
                    ),
                };
                condition.status = status.to_owned();
                condition.reason = Some(reason.to_owned());
                condition.message = Some(message.to_owned());
                condition.last_transition_time = time(now);
                condition.last_heartbeat_time = time(now);
            }
            node.spec.get_or_insert_default().taints = is_pressed.then(|| {
                vec![Taint {
                    key: "node.kubernetes.io/memory-pressure".to_owned(),
                    effect: "NoSchedule".to_owned(),
                    time_added: time(now),
                    value: None,
                }]
            });
        });
    }

    fn set_cordoned(&mut self, cycle: u32, is_cordoned: bool, now: Instant) {
        let Some(index) = self.story_node(cycle) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.is_tainted = is_cordoned;
        }
        self.change_node(index, |node| {
            let spec = node.spec.get_or_insert_default();
            spec.unschedulable = is_cordoned.then_some(true);
            spec.taints = is_cordoned.then(|| {
                vec![Taint {
                    key: "node.kubernetes.io/unschedulable".to_owned(),
                    effect: "NoSchedule".to_owned(),
                    time_added: time(now),
                    value: None,
                }]
            });
        });
    }

    fn reboot_node(&mut self, cycle: u32, now: Instant) {
        let Some(index) = self.story_node(cycle) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        node.boots += 1;
        let boot_id = format!("boot-{}-{}", node.boots, node.uid);
        self.change_node(index, |node| {
            if let Some(info) = node.status.as_mut().and_then(|status| status.node_info.as_mut()) {
                info.boot_id = boot_id;
            }
        });
        self.set_node_ready(index, true, now);
    }

    fn change_node(&mut self, index: usize, change: impl FnOnce(&mut Node)) {
        let uid = self.nodes.get(index).map(|node| node.uid.clone());
        let node = uid.and_then(|uid| self.get(WatchedResource::Nodes, &uid).cloned());
        if let Some(KubeObject::Node(node)) = node {
            let mut node = (*node).clone();
            change(&mut node);
            self.put(node);
        }
    }

    fn scale_story(&mut self, replicas: usize, now: Instant) {
        let Some(index) = self.story.forecast else { return };
        if let Some(state) = self.workloads.get_mut(index) {
            state.replicas = replicas;
        }
        for pod in self.living_pods(index).into_iter().skip(replicas) {
            self.stop_pod(&pod, now);
        }
        self.top_up(index, now);
        self.refresh_workload(index);
    }

    /// All but one of the ranker's containers are killed beyond their memory limit, once.
    fn run_out_of_memory(&mut self, now: Instant) {
        let Some(index) = self.story.ranker else { return };
        for pod in self.living_pods(index).into_iter().skip(1) {
            self.crash_pod(&pod, "OOMKilled", 137, "10s", now);
            self.refresh_workload(index);
            let pause = self.between(10.0, 20.0);
            self.later(now, pause, ScheduledAction::Restart(pod));
        }
    }

    /// A namespace that is deleted, and whose content does not go for three quarters of an hour.
    fn hang_namespace(&mut self, cycle: u32, now: Instant) {
        let uid = self.fresh_uid();
        let mut namespace = template::namespace(&format!("preview-{cycle}"), &uid, Some("media"), now);
        namespace.metadata.deletion_timestamp = time(now);
        let status = namespace.status.get_or_insert_default();
        status.phase = Some("Terminating".to_owned());
        status.conditions = Some(vec![NamespaceCondition {
            type_: "NamespaceContentRemaining".to_owned(),
            status: "True".to_owned(),
            reason: Some("SomeResourcesRemain".to_owned()),
            message: Some(
                "Some resources are remaining: certificates.cert-manager.io has 1 resource instances"
                    .to_owned(),
            ),
            last_transition_time: time(now),
        }]);
        self.put(namespace);
        self.later(
            now,
            45 * MINUTE,
            ScheduledAction::Remove(WatchedResource::Namespaces, uid),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::simulate::SimulateSettings;

    /// Minutes of a cycle at which something holds, by what it is.
    fn minutes(part: StoryPart, cycles: i64) -> BTreeMap<&'static str, Vec<i64>> {
        let start = Instant(1_790_000_000_000_000);
        let settings = SimulateSettings {
            nodes: 30,
            pods: 500,
            changes_per_second: 2.0,
            incidents: false,
            story: part,
            ..SimulateSettings::default()
        };
        let mut world = SimulatedCluster::build(&settings, "fra", "sim", start);
        let mut seen = BTreeMap::<&'static str, Vec<i64>>::new();
        for second in 1..=cycles * STORY_CYCLE_SECONDS {
            world.step(start.plus_micros(second * SECOND));
            world.take_changes();
            if second % 60 != 59 {
                continue;
            }
            let mut note = |what, holds: bool| {
                if holds {
                    seen.entry(what).or_default().push(second / 60);
                }
            };
            let pods: Vec<_> = world
                .of(WatchedResource::Pods)
                .filter_map(|object| match object {
                    KubeObject::Pod(pod) => Some(pod.clone()),
                    _ => None,
                })
                .collect();
            let statuses = || pods.iter().filter_map(|pod| pod.status.clone());
            let waiting = statuses().flat_map(|status| status.container_statuses.unwrap_or_default());
            let crashing = waiting.filter(|status| status.restart_count >= 5).count();
            note("crash loop", crashing >= 6);
            note(
                "evicted",
                statuses()
                    .filter(|status| status.reason.as_deref() == Some("Evicted"))
                    .count()
                    >= 5,
            );
            let message = |status: &k8s_openapi::api::core::v1::PodStatus| {
                let mut conditions = status.conditions.iter().flatten();
                conditions.any(|one| {
                    one.message
                        .as_ref()
                        .is_some_and(|text| text.contains("Insufficient cpu"))
                })
            };
            note("unschedulable", statuses().filter(message).count() == 3);
            note("silent", world.nodes.iter().any(|node| !node.up));
            note("rebooted", world.nodes.iter().any(|node| node.boots == 2));
            let terminating = world.of(WatchedResource::Namespaces);
            note(
                "namespace",
                terminating
                    .filter(|object| object.meta().deletion_timestamp.is_some())
                    .count()
                    == 1,
            );
        }
        seen
    }

    fn span(minutes: &BTreeMap<&'static str, Vec<i64>>, what: &str) -> Option<(i64, i64)> {
        let of = minutes.get(what)?;
        Some((*of.first()?, *of.last()?))
    }

    #[test]
    fn incidents_come_at_their_minutes_and_in_their_clusters() {
        let first = minutes(StoryPart::First, 1);
        assert_eq!(span(&first, "silent"), Some((8, 17)));
        assert_eq!(span(&first, "rebooted"), Some((18, 29)));
        assert_eq!(span(&first, "crash loop"), Some((8, 18)));
        assert_eq!(first.len(), 3, "{first:?}");
        let second = minutes(StoryPart::Second, 1);
        assert_eq!(span(&second, "evicted"), Some((5, 17)));
        assert_eq!(second.len(), 2, "{second:?}");
        let third = minutes(StoryPart::Third, 1);
        assert_eq!(span(&third, "unschedulable"), Some((2, 23)));
        assert_eq!(span(&third, "namespace"), Some((5, 29)));
        assert_eq!(third.len(), 3, "{third:?}");
        assert!(minutes(StoryPart::None, 1).is_empty());
    }

    #[test]
    fn incidents_come_back_every_half_hour() {
        let third = minutes(StoryPart::Third, 3);
        let times: Vec<i64> = third["unschedulable"]
            .iter()
            .copied()
            .filter(|minute| minute % 30 == 10)
            .collect();
        assert_eq!(times, [10, 40, 70]);
        // A namespace hangs for longer than a cycle, in every other one.
        assert_eq!(span(&third, "namespace"), Some((5, 89)));
        assert!(!third["namespace"].contains(&55));
    }
}
