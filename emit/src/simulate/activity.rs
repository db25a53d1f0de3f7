//! What happens in the simulated fleet.

use fleetledger_schema::instant::Instant;
use k8s_openapi::api::{
    batch::v1::CronJob,
    core::v1::{Pod, Taint},
};
use rand::RngExt;

use super::{
    pod_state::{restart, set_condition, set_states, terminated, waiting},
    template,
    world::{CRON_MICROS, ScheduledAction, SimulatedCluster, time},
};
use crate::resource::{KubeObject, WatchedResource};

/// How long a pod and its successor live side by side, as in a rolling update without unavailable replicas: longer than it
/// takes to schedule and run one.
const SURGE_MICROS: i64 = 7_000_000;

impl SimulatedCluster {
    /// Begins something; what follows from it is scheduled.
    pub(super) fn begin_activity(&mut self, now: Instant) {
        let quiet = !self.settings.incidents;
        match self.rng.random_range(0..100) {
            0..30 => self.replace_any_pod(now),
            30..36 => self.roll_out(now),
            36..61 => self.run_job(now),
            61..70 => self.scale(now),
            _ if quiet => self.replace_any_pod(now),
            70..84 => self.crash(now),
            84..89 => self.evict(now),
            89..91 => self.leak(now),
            91..93 => self.fail_node(now),
            93..96 => self.end_namespace(now),
            _ => self.fail_watchdog(now),
        }
    }

    /// Lets something happen that was scheduled.
    pub(super) fn act(&mut self, action: ScheduledAction, now: Instant) {
        match action {
            ScheduledAction::RenewLease(node) => self.renew_lease(node, now),
            ScheduledAction::ReportStatus(node) => self.report_status(node, now),
            ScheduledAction::CronTick(cron_job) => self.tick_cron_job(&cron_job, now),
            ScheduledAction::Schedule(pod) => {
                if self.schedule_pod(&pod, now) {
                    let pause = self.between(1.0, 4.0);
                    self.later(now, pause, ScheduledAction::Run(pod));
                }
            }
            ScheduledAction::Run(pod) => {
                self.run_pod(&pod, now);
                self.refresh_workload_of(&pod);
                self.note_run(&pod, now);
            }
            ScheduledAction::Story(step) => self.tell(step, now),
            ScheduledAction::Remove(resource, uid) => {
                self.remove(resource, &uid);
                if resource == WatchedResource::Pods {
                    let workload = self.workload_of.get(&uid).copied();
                    self.refresh_workload_of(&uid);
                    if let Some(workload) = workload {
                        self.top_up(workload, now);
                    }
                }
            }
            ScheduledAction::Restart(pod) => {
                self.change_pod(&pod, |pod| restart(pod, now));
                self.refresh_workload_of(&pod);
            }
            ScheduledAction::Finish { pod, job } => self.finish_job(&pod, &job, now),
            ScheduledAction::Replace { workload, pod } => self.replace_pod(workload, &pod, now),
            ScheduledAction::Retire { workload, pod } => self.retire_pod(workload, &pod, now),
            ScheduledAction::NodeUnknown(node) => self.set_node_ready(node, false, now),
            ScheduledAction::NodeUp(node) => self.set_node_ready(node, true, now),
            ScheduledAction::WatchdogOk(uid) => self.set_watchdog(&uid, false, now),
        }
    }

    /// Brings a Deployment's status in line with its pods.
    pub(super) fn refresh_workload(&mut self, index: usize) {
        let Some(state) = self.workloads.get(index) else {
            return;
        };
        let is_ready = |pod: &Pod| {
            let conditions = pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions
                .into_iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        };
        let (mut living, mut ready, mut gone) = (0, 0, Vec::new());
        for uid in &state.pods {
            if let Some(pod) = self.pod(uid) {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                living += i32::from(!matches!(phase, Some("Failed" | "Succeeded")));
                ready += i32::from(is_ready(pod));
            } else {
                gone.push(uid.clone());
            }
        }
        let desired = i32::try_from(state.replicas).unwrap_or(i32::MAX);
        let uid = state.uid.clone();
        if let Some(state) = self.workloads.get_mut(index).filter(|_| !gone.is_empty()) {
            state.pods.retain(|uid| !gone.contains(uid));
        }
        for uid in gone {
            self.workload_of.remove(&uid);
        }
        let Some(KubeObject::Deployment(deployment)) = self.get(WatchedResource::Deployments, &uid) else {
            return;
        };
        let mut status = deployment.status.clone().unwrap_or_default();
        status.replicas = Some(living);
        status.updated_replicas = Some(living);
        status.ready_replicas = Some(ready);
        status.available_replicas = Some(ready);
        status.unavailable_replicas = Some((desired - ready).max(0));
        let is_scaled = deployment.spec.as_ref().and_then(|spec| spec.replicas) == Some(desired);
        if is_scaled && deployment.status.as_ref() == Some(&status) {
            return;
        }
        let mut deployment = (**deployment).clone();
        deployment.status = Some(status);
        deployment.spec.get_or_insert_default().replicas = Some(desired);
        self.put(deployment);
    }

    pub(super) fn refresh_workload_of(&mut self, pod: &str) {
        if let Some(index) = self.workload_of.get(pod) {
            self.refresh_workload(*index);
        }
    }

    /// One that is not the story's.
    fn any_workload(&mut self) -> Option<usize> {
        self.pick(self.workloads.len() - self.story.workloads())
    }

    fn any_running_pod(&mut self) -> Option<(usize, String)> {
        let index = self.any_workload()?;
        let chosen = self.pick(self.workloads.get(index)?.pods.len())?;
        let pod = self.workloads.get(index)?.pods.get(chosen)?.clone();
        let is_alive = |pod: &Pod| {
            pod.metadata.deletion_timestamp.is_none()
                && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
        };
        let alive = self.pod(&pod).is_some_and(is_alive);
        alive.then_some((index, pod))
    }

    fn start_pod(&mut self, workload: usize, now: Instant) {
        if let Some(pod) = self.create_pod(workload, now) {
            let pause = self.between(0.2, 2.0);
            self.later(now, pause, ScheduledAction::Schedule(pod));
        }
    }

    pub(super) fn stop_pod(&mut self, pod: &str, now: Instant) {
        self.change_pod(pod, |pod| {
            pod.metadata.deletion_grace_period_seconds = Some(30);
            pod.metadata.deletion_timestamp = time(now.plus_micros(30_000_000));
        });
        let pause = self.between(0.5, 8.0);
        self.later(
            now,
            pause,
            ScheduledAction::Remove(WatchedResource::Pods, pod.to_owned()),
        );
    }

    fn replace_any_pod(&mut self, now: Instant) {
        if let Some((workload, pod)) = self.any_running_pod() {
            self.replace_pod(workload, &pod, now);
        }
    }

    pub(super) fn replace_pod(&mut self, workload: usize, pod: &str, now: Instant) {
        if self
            .pod(pod)
            .is_some_and(|pod| pod.metadata.deletion_timestamp.is_none())
            && self.retiring.insert(pod.to_owned())
        {
            self.start_pod(workload, now);
            self.later(
                now,
                SURGE_MICROS,
                ScheduledAction::Retire {
                    workload,
                    pod: pod.to_owned(),
                },
            );
        }
    }

    /// Stops a pod whose successor runs; it stays where there is none.
    fn retire_pod(&mut self, workload: usize, pod: &str, now: Instant) {
        self.retiring.remove(pod);
        let wanted = self.workloads.get(workload).map_or(0, |state| state.replicas);
        let living = self.living_pods(workload);
        if living.len() > wanted && living.iter().any(|uid| uid == pod) {
            self.stop_pod(pod, now);
        }
    }

    /// A new ReplicaSet; its pods take the old ones' places one after the other.
    fn roll_out(&mut self, now: Instant) {
        if let Some(index) = self.any_workload() {
            self.roll_out_workload(index, now);
        }
    }

    pub(super) fn roll_out_workload(&mut self, index: usize, now: Instant) {
        let set_uid = self.fresh_uid();
        let suffix = format!("{:08x}", self.rng.random::<u32>());
        let Some(state) = self.workloads.get_mut(index) else {
            return;
        };
        let former = std::mem::replace(&mut state.set_uid, set_uid);
        state.revision += 1;
        state.set_name = format!("{}-{suffix}", state.name);
        let image = state
            .shape
            .image
            .rsplit_once(':')
            .map_or("", |(image, _)| image)
            .to_owned();
        state.shape.image = format!("{image}:v{}", 40 + state.revision);
        let state = state.clone();
        self.set_image(&state.uid, &state.shape.image);
        let owner = Some(("apps/v1", "Deployment", state.name.as_str(), state.uid.as_str()));
        self.put(template::replica_set(
            &state.set_name,
            &state.set_uid,
            &state.shape,
            owner,
            now,
        ));
        let mut pause = 0;
        for pod in state.pods {
            pause += self.between(0.5, 3.0);
            self.later(now, pause, ScheduledAction::Replace { workload: index, pod });
        }
        self.later(
            now,
            pause + 60_000_000,
            ScheduledAction::Remove(WatchedResource::ReplicaSets, former),
        );
    }

    /// A Deployment's template names another image.
    fn set_image(&mut self, deployment: &str, image: &str) {
        let Some(KubeObject::Deployment(found)) = self.get(WatchedResource::Deployments, deployment) else {
            return;
        };
        let mut changed = (**found).clone();
        changed.metadata.generation = changed.metadata.generation.map(|generation| generation + 1);
        changed.status.get_or_insert_default().observed_generation = changed.metadata.generation;
        let template = &mut changed.spec.get_or_insert_default().template;
        for container in &mut template.spec.get_or_insert_default().containers {
            container.image = Some(image.to_owned());
        }
        self.put(changed);
    }

    /// A CronJob's time has come.
    fn tick_cron_job(&mut self, uid: &str, now: Instant) {
        let next = CRON_MICROS - now.0.rem_euclid(CRON_MICROS);
        self.later(now, next, ScheduledAction::CronTick(uid.to_owned()));
        let Some(KubeObject::CronJob(cron_job)) = self.get(WatchedResource::CronJobs, uid).cloned() else {
            return;
        };
        let mut scheduled = (*cron_job).clone();
        scheduled.status.get_or_insert_default().last_schedule_time = time(now);
        self.put(scheduled);
        self.run_job_of(&cron_job, now);
    }

    /// Somebody starts a CronJob's Job out of turn.
    fn run_job(&mut self, now: Instant) {
        if let Some(KubeObject::CronJob(cron_job)) = self.pick_of(WatchedResource::CronJobs).cloned() {
            self.run_job_of(&cron_job, now);
        }
    }

    /// A Job whose pod is born and gone within seconds.
    fn run_job_of(&mut self, cron_job: &CronJob, now: Instant) {
        let namespace = cron_job.metadata.namespace.clone().unwrap_or_default();
        let cron_uid = cron_job.metadata.uid.clone().unwrap_or_default();
        let Some(shape) = self.workloads.first().map(|state| state.shape.clone()) else {
            return;
        };
        let shape = template::PodShape {
            namespace: namespace.clone(),
            team: namespace,
            app: "report".to_owned(),
            gpus: 0,
            ..shape
        };
        let (job_uid, pod_uid) = (self.fresh_uid(), self.fresh_uid());
        let job_name = format!("report-{}", now.0 / 1_000_000 % 100_000_000);
        let owner = Some(("batch/v1", "CronJob", "report", cron_uid.as_str()));
        self.put(template::job(&job_name, &job_uid, &shape, owner, now));
        let name = format!("{job_name}-{:05x}", self.rng.random::<u32>() & 0xf_ffff);
        let owner = Some(("batch/v1", "Job", job_name.as_str(), job_uid.as_str()));
        self.expect_pod(&pod_uid, &shape);
        self.put(template::pod(&name, &pod_uid, &shape, owner, now));
        let pause = self.between(0.1, 0.5);
        self.later(now, pause, ScheduledAction::Schedule(pod_uid.clone()));
        let pause = self.between(5.0, 12.0);
        self.later(
            now,
            pause,
            ScheduledAction::Finish {
                pod: pod_uid,
                job: job_uid,
            },
        );
    }

    fn finish_job(&mut self, pod: &str, job: &str, now: Instant) {
        if self.is_unscheduled(pod) {
            let (pod, job) = (pod.to_owned(), job.to_owned());
            return self.later(now, 5_000_000, ScheduledAction::Finish { pod, job });
        }
        self.release(pod);
        self.change_pod(pod, |pod| {
            pod.status.get_or_insert_default().phase = Some("Succeeded".to_owned());
            set_states(pod, |container| {
                container.state = Some(terminated("Completed", 0, now));
                container.ready = false;
            });
        });
        if let Some(KubeObject::Job(found)) = self.get(WatchedResource::Jobs, job) {
            let mut found = (**found).clone();
            let status = found.status.get_or_insert_default();
            status.active = None;
            status.succeeded = Some(1);
            status.completion_time = time(now);
            let owners = found.metadata.owner_references.clone().unwrap_or_default();
            self.put(found);
            for owner in owners {
                if let Some(KubeObject::CronJob(cron_job)) = self.get(WatchedResource::CronJobs, &owner.uid) {
                    let mut cron_job = (**cron_job).clone();
                    cron_job.status.get_or_insert_default().last_successful_time = time(now);
                    self.put(cron_job);
                }
            }
        }
        self.later(
            now,
            1_000_000,
            ScheduledAction::Remove(WatchedResource::Pods, pod.to_owned()),
        );
        self.later(
            now,
            30_000_000,
            ScheduledAction::Remove(WatchedResource::Jobs, job.to_owned()),
        );
    }

    /// Replicas follow the time of day.
    fn scale(&mut self, now: Instant) {
        let Some(index) = self.any_workload() else { return };
        let grow = self
            .rng
            .random_bool((self.daily_factor(now) / 2.0).clamp(0.1, 0.9));
        let Some(state) = self.workloads.get_mut(index) else {
            return;
        };
        // A quarter up or down: a fleet that grew all day long would fill its nodes.
        let (least, most) = ((state.base * 3 / 4).max(1), (state.base * 5).div_ceil(4));
        state.replicas = match (state.shape.gpus > 0, grow) {
            // A node whose cards nobody uses would be an incident.
            (true, _) => state.base,
            (false, true) => (state.replicas + 1).min(most),
            (false, false) => state.replicas.saturating_sub(1).max(least),
        };
        let wanted = state.replicas;
        let living = self.living_pods(index);
        if let Some(pod) = living.last().filter(|_| wanted < living.len()) {
            self.stop_pod(pod, now);
        }
        self.top_up(index, now);
        self.refresh_workload(index);
    }

    /// Pods of a workload that are neither ended nor being deleted.
    pub(super) fn living_pods(&self, workload: usize) -> Vec<String> {
        let is_living = |uid: &&String| {
            self.pod(uid).is_some_and(|pod| {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
            })
        };
        let pods = self
            .workloads
            .get(workload)
            .into_iter()
            .flat_map(|state| &state.pods);
        pods.filter(is_living).cloned().collect()
    }

    /// Starts what a workload lacks, as its controller does.
    pub(super) fn top_up(&mut self, workload: usize, now: Instant) {
        let wanted = self.workloads.get(workload).map_or(0, |state| state.replicas);
        for _ in self.living_pods(workload).len()..wanted {
            self.start_pod(workload, now);
        }
    }

    fn crash(&mut self, now: Instant) {
        let Some((_, pod)) = self.any_running_pod() else {
            return;
        };
        let out_of_memory = self.rng.random_ratio(1, 2);
        let (reason, code) = if out_of_memory {
            ("OOMKilled", 137)
        } else {
            ("Error", 1)
        };
        self.crash_pod(&pod, reason, code, "10s", now);
        let pause = self.between(5.0, 20.0);
        self.later(now, pause, ScheduledAction::Restart(pod));
    }

    /// Its containers end, and wait to be restarted.
    pub(super) fn crash_pod(&mut self, pod: &str, reason: &str, code: i32, back_off: &str, now: Instant) {
        let message = format!("back-off {back_off} restarting failed container=app");
        self.change_pod(pod, |pod| {
            set_states(pod, |container| {
                container.last_state = Some(terminated(reason, code, now));
                container.state = Some(waiting("CrashLoopBackOff", Some(&message)));
                container.ready = false;
            });
            set_condition(pod, "Ready", false, now);
        });
    }

    fn evict(&mut self, now: Instant) {
        if let Some((workload, pod)) = self.any_running_pod() {
            let kept = self.between(20.0, 60.0);
            self.evict_pod(workload, &pod, kept, now);
        }
    }

    /// A pod is evicted and has a successor; it is kept for a while.
    pub(super) fn evict_pod(&mut self, workload: usize, pod: &str, kept_micros: i64, now: Instant) {
        self.release(pod);
        self.change_pod(pod, |pod| {
            let status = pod.status.get_or_insert_default();
            status.phase = Some("Failed".to_owned());
            status.reason = Some("Evicted".to_owned());
            status.message = Some("The node was low on resource: memory.".to_owned());
            // The kubelet kills the containers, and says why the pod is disrupted.
            set_states(pod, |container| {
                container.state = Some(terminated("Error", 137, now));
                container.ready = false;
                container.started = Some(false);
            });
            for name in ["Ready", "ContainersReady"] {
                set_condition(pod, name, false, now);
            }
            set_condition(pod, "DisruptionTarget", true, now);
        });
        self.refresh_workload(workload);
        self.later(
            now,
            kept_micros,
            ScheduledAction::Remove(WatchedResource::Pods, pod.to_owned()),
        );
        self.start_pod(workload, now);
    }

    /// Pods beyond a workload's replicas, which nobody removes for a while. However busy the fleet is, they stay few.
    fn leak(&mut self, now: Instant) {
        let most = self.settings.pods as usize * 21 / 20 + 3;
        if self.count(WatchedResource::Pods) > most {
            return;
        }
        let Some(index) = self.any_workload() else { return };
        for _ in 0..3 {
            if let Some(pod) = self.create_pod(index, now) {
                self.later(now, 300_000, ScheduledAction::Schedule(pod.clone()));
                self.later(
                    now,
                    180_000_000,
                    ScheduledAction::Remove(WatchedResource::Pods, pod),
                );
            }
        }
    }

    /// A node falls silent; 40 s later its conditions are Unknown; some minutes later it is back.
    fn fail_node(&mut self, now: Instant) {
        let down = self.nodes.iter().filter(|node| !node.up).count();
        if down * 20 >= self.nodes.len() {
            return;
        }
        let index = self.rng.random_range(0..self.nodes.len().max(1));
        let Some(node) = self.nodes.get_mut(index).filter(|node| node.up) else {
            return;
        };
        node.up = false;
        self.later(now, 40_000_000, ScheduledAction::NodeUnknown(index));
        let pause = self.between(150.0, 400.0);
        self.later(now, pause, ScheduledAction::NodeUp(index));
    }

    pub(super) fn set_node_ready(&mut self, index: usize, ready: bool, now: Instant) {
        let Some(state) = self.nodes.get_mut(index) else {
            return;
        };
        state.up |= ready;
        let state = state.clone();
        let Some(KubeObject::Node(node)) = self.get(WatchedResource::Nodes, &state.uid) else {
            return;
        };
        let mut node = (**node).clone();
        let heartbeat = if ready { now } else { now.plus_micros(-40_000_000) };
        node.status.get_or_insert_default().conditions = Some(template::node_conditions(
            heartbeat,
            now,
            if ready { "True" } else { "Unknown" },
        ));
        node.spec.get_or_insert_default().taints = (!ready).then(|| {
            vec![Taint {
                key: "node.kubernetes.io/unreachable".to_owned(),
                effect: "NoExecute".to_owned(),
                time_added: time(now),
                value: None,
            }]
        });
        self.put(node);
        if ready {
            return;
        }
        for workload in 0..self.workloads.len() {
            let pods = self
                .workloads
                .get(workload)
                .into_iter()
                .flat_map(|state| &state.pods);
            let is_here = |uid: &&String| {
                let spec = self.pod(uid).and_then(|pod| pod.spec.as_ref());
                spec.is_some_and(|spec| spec.node_name.as_ref() == Some(&state.name))
            };
            let here: Vec<String> = pods.filter(is_here).cloned().collect();
            for pod in here {
                let pause = self.between(5.0, 60.0);
                self.later(now, pause, ScheduledAction::Replace { workload, pod });
            }
        }
    }

    /// A namespace that is deleted and hangs for a minute.
    fn end_namespace(&mut self, now: Instant) {
        let uid = self.fresh_uid();
        let name = format!("preview-{:04x}", self.rng.random::<u16>());
        let mut namespace = template::namespace(&name, &uid, None, now);
        self.put(namespace.clone());
        namespace.metadata.deletion_timestamp = time(now);
        namespace.status.get_or_insert_default().phase = Some("Terminating".to_owned());
        self.put(namespace);
        let pause = self.between(20.0, 90.0);
        self.later(
            now,
            pause,
            ScheduledAction::Remove(WatchedResource::Namespaces, uid),
        );
    }

    fn fail_watchdog(&mut self, now: Instant) {
        let watchdog = self.pick_of(WatchedResource::Watchdogs);
        let Some(uid) = watchdog.map(|watchdog| watchdog.uid().to_owned()) else {
            return;
        };
        self.set_watchdog(&uid, true, now);
        let pause = self.between(30.0, 180.0);
        self.later(now, pause, ScheduledAction::WatchdogOk(uid));
    }

    pub(super) fn set_watchdog(&mut self, uid: &str, failing: bool, now: Instant) {
        let Some(KubeObject::Watchdog(watchdog)) = self.get(WatchedResource::Watchdogs, uid).cloned() else {
            return;
        };
        let chosen = self.pick(self.nodes.len());
        let node = chosen.and_then(|chosen| self.nodes.get(chosen));
        let node = node.map(|node| node.name.clone()).unwrap_or_default();
        let mut watchdog = (*watchdog).clone();
        let status = watchdog.status.get_or_insert_default();
        let was_failing = status.state.as_deref() == Some("Firing");
        status.state = Some(if failing { "Firing" } else { "OK" }.to_owned());
        status.episode = Some(status.episode.unwrap_or(0) + i64::from(failing && !was_failing));
        status.failing.clear();
        if let Some(counts) = &mut status.nodes {
            counts.failing = Some(i32::from(failing));
            counts.ok = counts.desired.map(|desired| desired - i32::from(failing));
        }
        if failing {
            let failing = crate::watchdog_resource::NodeCheckFailure {
                node,
                message: Some("unexpected value".to_owned()),
                since: time(now),
            };
            status.failing.push(failing);
        }
        for condition in &mut status.conditions {
            condition.status = if failing { "False" } else { "True" }.to_owned();
            condition.last_transition_time = time(now).unwrap_or(condition.last_transition_time.clone());
        }
        self.put(watchdog);
    }
}
