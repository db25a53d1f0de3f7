//! What `kubectl get pods` prints of a pod: READY, STATUS and RESTARTS.
//!
//! The API server works them out of the statuses of containers, in the order in which they are listed. The kubelet lists
//! those of app containers by name and those of init containers in the order of the spec. That order is taken here whatever
//! the record's is, so that nobody's reordering of a list changes a column.

use std::borrow::Cow;

use crate::{
    instant::Instant,
    record::{Container, Pod},
};

/// The columns, each as its own.
#[derive(Debug, PartialEq)]
pub(in crate::row) struct KubectlColumns<'a> {
    /// STATUS.
    pub(in crate::row) status: Cow<'a, str>,
    /// READY.
    pub(in crate::row) ready_containers: String,
    /// The number of RESTARTS.
    pub(in crate::row) restarts: i32,
    /// The instant that RESTARTS gives the age of.
    pub(in crate::row) last_restart_at: Option<Instant>,
}

pub(in crate::row) fn kubectl_columns(pod: &Pod) -> KubectlColumns<'_> {
    let init = InitContainers::of(pod);
    let mut ready = init.ready_sidecars;
    let mut restarts = init.restarts;
    let blocked = init.blocked_by.is_some();
    let mut status = init.blocked_by.unwrap_or_else(|| status_of_pod(pod));
    // A container of an initialized pod may well be starting again, such as a sidecar.
    if !blocked || is_true(pod, "Initialized") {
        let app = AppContainers::of(pod);
        ready += app.ready;
        restarts = init.restarts_of_sidecars;
        restarts.add_all(&app.restarts);
        status = app.status_over(status, is_true(pod, "Ready"));
    }
    if pod.deletion_requested_at.is_some() {
        if pod.reason.as_deref() == Some("NodeLost") {
            status = "Unknown".into();
        } else if !matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
            status = "Terminating".into();
        }
    }
    let to_run = pod
        .containers
        .iter()
        .filter(|container| matches!(container.container_type.as_str(), "app" | "sidecar"));
    KubectlColumns {
        status,
        ready_containers: format!("{ready}/{}", to_run.count()),
        restarts: restarts.count,
        last_restart_at: restarts.newest_at.filter(|_| restarts.count != 0),
    }
}

/// Status of a pod of whose containers nothing is to be said.
fn status_of_pod(pod: &Pod) -> Cow<'_, str> {
    let gated = pod.conditions.iter().any(|condition| {
        condition.condition_type == "PodScheduled" && condition.reason.as_deref() == Some("SchedulingGated")
    });
    if gated {
        return "SchedulingGated".into();
    }
    pod.reason.as_deref().unwrap_or(&pod.phase).into()
}

/// How far the init containers have come.
#[derive(Default)]
struct InitContainers<'a> {
    /// What the first that has not done its part makes of the pod's status.
    blocked_by: Option<Cow<'a, str>>,
    ready_sidecars: usize,
    restarts: RestartCount,
    restarts_of_sidecars: RestartCount,
}

impl<'a> InitContainers<'a> {
    fn of(pod: &'a Pod) -> Self {
        let is_init = |container: &Container| matches!(container.container_type.as_str(), "init" | "sidecar");
        let mut found = Self::default();
        let mut reported = reported(pod, is_init);
        reported.sort_by_key(|container| container.position);
        for (done, container) in reported.into_iter().enumerate() {
            let sidecar = container.container_type == "sidecar";
            found.restarts.add(container);
            if sidecar {
                found.restarts_of_sidecars.add(container);
            }
            if container.state.as_deref() == Some("terminated") && container.exit_code == Some(0) {
                continue;
            }
            if sidecar && container.started == Some(true) {
                found.ready_sidecars += usize::from(container.ready);
                continue;
            }
            let all = pod.containers.iter().filter(|container| is_init(container));
            found.blocked_by = Some(init_status(container, done, all.count()));
            break;
        }
        found
    }
}

fn init_status(container: &Container, done: usize, all: usize) -> Cow<'_, str> {
    match (container.state.as_deref(), container.reason.as_deref()) {
        (Some("terminated"), _) => format!("Init:{}", termination(container)),
        (Some("waiting"), Some(reason)) if reason != "PodInitializing" => format!("Init:{reason}"),
        _ => format!("Init:{done}/{all}"),
    }
    .into()
}

/// What the app containers say.
#[derive(Default)]
struct AppContainers<'a> {
    /// Of the first by name that waits or has ended.
    status: Option<Cow<'a, str>>,
    /// Of the first by name that has failed.
    failure: Option<Cow<'a, str>>,
    ready: usize,
    restarts: RestartCount,
}

impl<'a> AppContainers<'a> {
    fn of(pod: &'a Pod) -> Self {
        let mut found = Self::default();
        let mut reported = reported(pod, |container| container.container_type == "app");
        reported.sort_by(|one, other| one.container.cmp(&other.container));
        for container in reported {
            found.restarts.add(container);
            let status = match (container.state.as_deref(), container.reason.as_deref()) {
                (Some("waiting"), Some(reason)) => reason.into(),
                (Some("terminated"), _) => termination(container),
                (Some("running"), _) => {
                    found.ready += usize::from(container.ready);
                    continue;
                }
                _ => continue,
            };
            if container.exit_code.is_some_and(|code| code != 0) && found.failure.is_none() {
                found.failure = Some(status.clone());
            }
            found.status.get_or_insert(status);
        }
        found
    }

    /// The status of a pod that would have `status` without them. One that has ended well does not speak for others.
    fn status_over(self, status: Cow<'a, str>, pod_is_ready: bool) -> Cow<'a, str> {
        let status = self.status.unwrap_or(status);
        if status != "Completed" {
            return status;
        }
        match (self.ready > 0, self.failure) {
            (true, _) if pod_is_ready => "Running".into(),
            (_, Some(failure)) => failure,
            (true, None) => "NotReady".into(),
            (false, None) => status,
        }
    }
}

#[derive(Default)]
struct RestartCount {
    count: i32,
    /// End of the newest run that was followed by another.
    newest_at: Option<Instant>,
}

impl RestartCount {
    fn add(&mut self, container: &Container) {
        self.count = self.count.saturating_add(container.restart_count);
        self.newest_at = self.newest_at.max(container.last_finished_at);
    }

    fn add_all(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.newest_at = self.newest_at.max(other.newest_at);
    }
}

/// Containers of which the kubelet has said something.
fn reported(pod: &Pod, of_type: impl Fn(&Container) -> bool) -> Vec<&Container> {
    let mut found: Vec<&Container> = pod.containers.iter().collect();
    found.retain(|container| container.state.is_some() && of_type(container));
    found
}

fn termination(container: &Container) -> Cow<'_, str> {
    match (&container.reason, container.signal, container.exit_code) {
        (Some(reason), _, _) => reason.as_str().into(),
        (None, Some(signal), _) => format!("Signal:{signal}").into(),
        (None, None, code) => format!("ExitCode:{}", code.unwrap_or(0)).into(),
    }
}

fn is_true(pod: &Pod, condition_type: &str) -> bool {
    super::condition(&pod.conditions, condition_type).is_some_and(|condition| condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(kind: &str, position: i32, name: &str, state: &str, reason: &str) -> Container {
        Container {
            container: name.into(),
            container_type: kind.into(),
            position,
            state: Some(state.into()),
            reason: (!reason.is_empty()).then(|| reason.into()),
            exit_code: (state == "terminated").then_some(i32::from(reason != "Completed")),
            ready: state == "running",
            started: Some(state == "running"),
            ..Container::default()
        }
    }

    fn printed(containers: &[Container]) -> (String, String) {
        let pod = Pod {
            phase: "Running".into(),
            containers: containers.to_vec(),
            ..Pod::default()
        };
        let mut reversed = pod.clone();
        reversed.containers.reverse();
        let columns = kubectl_columns(&pod);
        assert_eq!(
            kubectl_columns(&reversed),
            columns,
            "the order of a list says nothing"
        );
        (columns.status.into_owned(), columns.ready_containers)
    }

    #[test]
    fn first_app_container_by_name_that_does_not_run_gives_the_status() {
        let containers = [
            container("app", 0, "c", "waiting", "ImagePullBackOff"),
            container("app", 1, "b", "terminated", "OOMKilled"),
            container("app", 2, "a", "running", ""),
        ];
        assert_eq!(printed(&containers), ("OOMKilled".into(), "1/3".into()));
    }

    #[test]
    fn first_init_container_of_the_spec_that_has_not_done_its_part_gives_the_status() {
        let containers = [
            container("init", 0, "z", "terminated", "Completed"),
            container("sidecar", 1, "y", "running", ""),
            container("init", 2, "x", "running", ""),
            container("init", 3, "a", "waiting", "PodInitializing"),
            container("app", 0, "app", "waiting", "PodInitializing"),
        ];
        assert_eq!(printed(&containers), ("Init:2/4".into(), "1/2".into()));
    }

    #[test]
    fn restarts_of_init_containers_count_until_they_are_done() {
        let mut init = container("init", 0, "init", "terminated", "Error");
        init.restart_count = 2;
        init.last_finished_at = Some(Instant(7));
        let mut app = container("app", 0, "app", "running", "");
        app.restart_count = 1;
        app.last_finished_at = Some(Instant(5));
        let mut pod = Pod {
            containers: vec![init, app],
            ..Pod::default()
        };
        let of = |pod: &Pod| {
            let columns = kubectl_columns(pod);
            (columns.restarts, columns.last_restart_at)
        };
        assert_eq!(of(&pod), (2, Some(Instant(7))));
        pod.containers[0].exit_code = Some(0);
        assert_eq!(of(&pod), (1, Some(Instant(5))));
        pod.containers[1].restart_count = 0;
        assert_eq!(of(&pod), (0, None), "an age of nothing");
    }
}
