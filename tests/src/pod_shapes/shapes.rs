//! The shapes by what is special about them.

use serde_json::json;

use super::{PodShape, ended, killed, restarted, running, starting, status, unready, waiting};

pub(super) fn unstarted() -> Vec<PodShape> {
    let new = |name| PodShape::new(name, &[], &["app"]);
    let gates = json!([{"name": "example.com/quota"}]);
    vec![
        new("unscheduled").unbound(),
        new("unschedulable")
            .unbound()
            .condition("PodScheduled", "False", "Unschedulable"),
        new("gated")
            .unbound()
            .spec("schedulingGates", gates.clone())
            .condition("PodScheduled", "False", "SchedulingGated"),
        new("gated-without-condition")
            .unbound()
            .spec("schedulingGates", gates),
        new("bound-without-statuses")
            .phase("Pending")
            .condition("PodScheduled", "True", ""),
        new("container-creating")
            .phase("Pending")
            .app(&[waiting("app", "ContainerCreating")]),
        new("empty-state")
            .phase("Pending")
            .app(&[status("app", &json!({}))]),
        new("waiting-without-reason")
            .phase("Pending")
            .app(&[waiting("app", "")]),
        new("node-affinity").phase("Failed").reason("NodeAffinity"),
        new("unexpected-admission-error")
            .phase("Failed")
            .reason("UnexpectedAdmissionError"),
        new("out-of-cpu").phase("Failed").reason("OutOfcpu"),
        new("phase-unknown").phase("Unknown").app(&[running("app")]),
    ]
}

pub(super) fn initializing() -> Vec<PodShape> {
    let new = |name| {
        let app = [waiting("app", "PodInitializing")];
        PodShape::new(name, &["zero", "one", "three"], &["app"])
            .phase("Pending")
            .app(&app)
    };
    let done = || ended("zero", 0, "Completed");
    let waits = |name| waiting(name, "PodInitializing");
    vec![
        new("init-0-of-3").init(&[starting("zero"), waits("one"), waits("three")]),
        new("init-1-of-3").init(&[done(), starting("one"), waits("three")]),
        new("init-2-of-3").init(&[done(), ended("one", 0, "Completed"), unready("three")]),
        new("init-none-has-begun").init(&[waits("zero"), waits("one"), waits("three")]),
        new("init-empty-state").init(&[status("zero", &json!({})), waits("one"), waits("three")]),
        new("init-waiting-without-reason").init(&[done(), waiting("one", ""), waits("three")]),
        new("init-done-without-reason").init(&[ended("zero", 0, ""), starting("one"), waits("three")]),
        new("init-error").init(&[done(), ended("one", 1, "Error"), waits("three")]),
        new("init-exit-code").init(&[ended("zero", 3, ""), waits("one"), waits("three")]),
        new("init-signal").init(&[killed("zero", 9), waits("one"), waits("three")]),
        new("init-oom-killed").init(&[ended("zero", 137, "OOMKilled"), waits("one"), waits("three")]),
        new("init-crash-loop").init(&[
            done(),
            restarted(waiting("one", "CrashLoopBackOff"), 4, 2),
            waits("three"),
        ]),
        new("init-image-pull").init(&[waiting("zero", "ErrImagePull"), waits("one"), waits("three")]),
        new("init-restarted").init(&[
            restarted(done(), 2, 200),
            restarted(starting("one"), 3, 100),
            waits("three"),
        ]),
        new("init-failed-for-good").phase("Failed").init(&[
            ended("zero", 1, "Error"),
            waits("one"),
            waits("three"),
        ]),
        new("init-says-one-thing-condition-another")
            .phase("Running")
            .condition("Initialized", "True", "")
            .init(&[done(), starting("one"), waits("three")])
            .app(&[running("app")]),
        new("init-done")
            .phase("Running")
            .ready()
            .init(&[
                restarted(done(), 7, 90),
                ended("one", 0, "Completed"),
                ended("three", 0, "Completed"),
            ])
            .app(&[running("app")]),
        new("init-done-app-waits")
            .init(&[
                done(),
                ended("one", 0, "Completed"),
                ended("three", 0, "Completed"),
            ])
            .app(&[waiting("app", "PodInitializing")]),
    ]
}

pub(super) fn sidecars() -> Vec<PodShape> {
    let new = |name| PodShape::new(name, &["+mesh", "setup", "+agent"], &["app"]);
    let done = || ended("setup", 0, "Completed");
    let waits = |name| waiting(name, "PodInitializing");
    vec![
        new("sidecars-ready")
            .ready()
            .init(&[running("mesh"), done(), running("agent")])
            .app(&[running("app")]),
        new("sidecar-unready")
            .ready()
            .init(&[running("mesh"), done(), unready("agent")])
            .app(&[running("app")]),
        new("sidecar-starting")
            .phase("Pending")
            .init(&[starting("mesh"), waits("setup"), waits("agent")])
            .app(&[waits("app")]),
        new("sidecar-runs-init-runs")
            .phase("Pending")
            .init(&[running("mesh"), starting("setup"), waits("agent")])
            .app(&[waits("app")]),
        new("sidecar-image-pull")
            .phase("Pending")
            .init(&[
                waiting("mesh", "ImagePullBackOff"),
                waits("setup"),
                waits("agent"),
            ])
            .app(&[waits("app")]),
        new("sidecar-crash-loop-before-app")
            .phase("Pending")
            .init(&[
                running("mesh"),
                done(),
                restarted(waiting("agent", "CrashLoopBackOff"), 5, 1),
            ])
            .app(&[waits("app")]),
        new("sidecar-crash-loop-beside-app")
            .ready()
            .init(&[
                running("mesh"),
                done(),
                restarted(waiting("agent", "CrashLoopBackOff"), 5, 1),
            ])
            .app(&[running("app")]),
        new("sidecar-restarts-count")
            .ready()
            .init(&[
                restarted(running("mesh"), 2, 500),
                restarted(done(), 9, 3),
                restarted(running("agent"), 1, 50),
            ])
            .app(&[restarted(running("app"), 4, 1000)]),
        new("sidecar-ended-badly")
            .ready()
            .init(&[running("mesh"), done(), ended("agent", 2, "Error")])
            .app(&[running("app")]),
        new("sidecar-outlives-app")
            .phase("Running")
            .condition("Initialized", "True", "")
            .condition("Ready", "False", "")
            .init(&[running("mesh"), done(), running("agent")])
            .app(&[ended("app", 0, "Completed")]),
        new("sidecars-ended")
            .phase("Succeeded")
            .condition("Initialized", "True", "")
            .init(&[
                ended("mesh", 0, "Completed"),
                done(),
                ended("agent", 0, "Completed"),
            ])
            .app(&[ended("app", 0, "Completed")]),
    ]
}

pub(super) fn waiting_or_ended() -> Vec<PodShape> {
    let mut shapes = Vec::new();
    for (name, reason) in [
        ("image-pull", "ErrImagePull"),
        ("image-pull-back-off", "ImagePullBackOff"),
        ("invalid-image", "InvalidImageName"),
        ("never-pull", "ErrImageNeverPull"),
        ("config-error", "CreateContainerConfigError"),
        ("create-error", "CreateContainerError"),
        ("run-error", "RunContainerError"),
    ] {
        shapes.push(
            PodShape::new(name, &[], &["app"])
                .phase("Pending")
                .app(&[waiting("app", reason)]),
        );
    }
    let new = |name| PodShape::new(name, &[], &["a", "b"]).condition("Initialized", "True", "");
    let back_off = |name| restarted(waiting(name, "CrashLoopBackOff"), 12, 3);
    shapes.extend([
        new("crash-loop").app(&[back_off("a"), running("b")]),
        new("crash-loop-of-the-second").app(&[running("a"), back_off("b")]),
        new("crash-loop-and-image-pull").app(&[waiting("a", "ImagePullBackOff"), back_off("b")]),
        new("crash-loop-beside-a-completed-one").app(&[ended("a", 0, "Completed"), back_off("b")]),
        new("error-between-restarts").app(&[restarted(ended("a", 1, "Error"), 2, 6), running("b")]),
        new("oom-killed").app(&[ended("a", 137, "OOMKilled"), running("b")]),
        new("exit-code").app(&[ended("a", 4, ""), running("b")]),
        new("exit-code-zero-without-reason").app(&[ended("a", 0, ""), running("b")]),
        new("signal").app(&[running("a"), killed("b", 11)]),
        new("both-ended-differently").app(&[ended("a", 1, "Error"), ended("b", 137, "OOMKilled")]),
        new("container-cannot-run").app(&[ended("a", 128, "ContainerCannotRun"), running("b")]),
        new("status-unknown").app(&[
            ended("a", 137, "ContainerStatusUnknown"),
            ended("b", 137, "ContainerStatusUnknown"),
        ]),
    ]);
    shapes
}

pub(super) fn running_or_not() -> Vec<PodShape> {
    let new = |name| PodShape::new(name, &[], &["a", "b", "c"]);
    let gates = json!([{"conditionType": "example.com/in-service"}]);
    let all = || [running("a"), running("b"), running("c")];
    vec![
        new("running").ready().app(&all()),
        new("one-unready").app(&[running("a"), unready("b"), running("c")]),
        new("one-starting").app(&[running("a"), starting("b"), running("c")]),
        new("readiness-gate-closed")
            .spec("readinessGates", gates.clone())
            .condition("Ready", "False", "ReadinessGatesNotReady")
            .app(&all()),
        new("readiness-gate-open")
            .ready()
            .spec("readinessGates", gates)
            .condition("example.com/in-service", "True", "")
            .app(&all()),
        new("ephemeral-container").ready().app(&all()).debugged(),
        new("restarts-of-each").ready().app(&[
            restarted(running("a"), 1, 3000),
            restarted(running("b"), 2, 40),
            running("c"),
        ]),
        new("restarts-long-ago").ready().app(&[
            restarted(running("a"), 1, 60 * 24 * 40),
            running("b"),
            running("c"),
        ]),
        new("restarts-without-last-state").ready().app(&[
            {
                let mut a = running("a");
                a["restartCount"] = json!(3);
                a
            },
            running("b"),
            running("c"),
        ]),
        new("last-state-without-restarts").ready().app(&[
            restarted(running("a"), 0, 30),
            running("b"),
            running("c"),
        ]),
        new("one-status-is-missing").app(&[running("a"), running("b")]),
        new("reason-of-a-running-pod")
            .ready()
            .reason("Resized")
            .app(&all()),
    ]
}

pub(super) fn jobs() -> Vec<PodShape> {
    let new = |name| PodShape::new(name, &[], &["a", "b"]).spec("restartPolicy", json!("Never"));
    let done = |name| ended(name, 0, "Completed");
    vec![
        new("completed").phase("Succeeded").app(&[done("a"), done("b")]),
        new("one-completed-pod-ready")
            .ready()
            .app(&[done("a"), running("b")]),
        new("one-completed-pod-not-ready")
            .condition("Ready", "False", "ContainersNotReady")
            .app(&[done("a"), running("b")]),
        new("one-completed-other-starts").app(&[done("a"), starting("b")]),
        new("one-completed-other-failed")
            .phase("Failed")
            .app(&[done("a"), ended("b", 1, "Error")]),
        new("one-failed-other-completed")
            .phase("Failed")
            .app(&[ended("a", 2, "Error"), done("b")]),
        new("one-completed-other-exit-code")
            .phase("Failed")
            .app(&[done("a"), ended("b", 5, "")]),
        new("failed")
            .phase("Failed")
            .app(&[ended("a", 1, "Error"), ended("b", 1, "Error")]),
        new("evicted").phase("Failed").reason("Evicted"),
        new("evicted-with-statuses")
            .phase("Failed")
            .reason("Evicted")
            .app(&[ended("a", 137, "Error"), ended("b", 137, "Error")]),
        new("deadline-exceeded")
            .phase("Failed")
            .reason("DeadlineExceeded"),
        new("preempted").phase("Failed").reason("Preempting").condition(
            "DisruptionTarget",
            "True",
            "PreemptionByScheduler",
        ),
        new("terminated-by-shutdown")
            .phase("Failed")
            .reason("Terminated")
            .app(&[ended("a", 143, "Error"), ended("b", 0, "Completed")]),
    ]
}

pub(super) fn leaving() -> Vec<PodShape> {
    let new = |name| PodShape::new(name, &["setup"], &["app"]).deleted();
    let done = || ended("setup", 0, "Completed");
    vec![
        new("terminating").ready().init(&[done()]).app(&[running("app")]),
        new("terminating-crash-loop").init(&[done()]).app(&[restarted(
            waiting("app", "CrashLoopBackOff"),
            3,
            5,
        )]),
        new("terminating-in-init")
            .phase("Pending")
            .init(&[starting("setup")])
            .app(&[waiting("app", "PodInitializing")]),
        new("terminating-unscheduled").unbound(),
        new("terminating-completed")
            .phase("Succeeded")
            .init(&[done()])
            .app(&[ended("app", 0, "Completed")]),
        new("terminating-failed")
            .phase("Failed")
            .init(&[done()])
            .app(&[ended("app", 1, "Error")]),
        new("terminating-evicted").phase("Failed").reason("Evicted"),
        new("node-lost-terminating")
            .reason("NodeLost")
            .init(&[done()])
            .app(&[running("app")]),
        new("node-lost-failed")
            .phase("Failed")
            .reason("NodeLost")
            .init(&[done()])
            .app(&[ended("app", 1, "Error")]),
        PodShape::new("node-lost", &[], &["app"])
            .reason("NodeLost")
            .app(&[running("app")]),
    ]
}
