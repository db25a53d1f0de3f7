use fleetledger_schema::record::{Container, ObjectRecord, Pod, Resources};

use super::{super::reading::GpuSample, *};

/// A whole hour.
const HOUR: i64 = 491_520 * 3_600_000_000;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

fn at(seconds: i64) -> Instant {
    Instant(HOUR + seconds * SECOND)
}

fn target() -> UsageTarget {
    UsageTarget {
        uid: "n".into(),
        node: "node-1".into(),
        address: "".into(),
    }
}

/// Pod `p` requests half a core and 1000 bytes.
fn roster() -> Roster {
    let roster = Roster::default();
    let container = Container {
        container: "api".into(),
        requests: Resources {
            cpu_millicores: Some(500),
            memory_bytes: Some(1000),
            ..Resources::default()
        },
        ..Container::default()
    };
    let pod = Pod {
        uid: "p".into(),
        namespace: "payments".into(),
        pod: "api-0".into(),
        node: Some("node-1".into()),
        created_at: at(-10_000),
        containers: vec![container],
        ..Pod::default()
    };
    roster.note(&pod.into_record());
    roster
}

fn sample(seconds: i64, cpu_us: i64, memory_bytes: i64, started: i64) -> ContainerSample {
    ContainerSample {
        namespace: "payments".into(),
        pod: "api-0".into(),
        container: "api".into(),
        at: at(seconds),
        cpu: CpuMeasure::Counter(cpu_us),
        memory_bytes,
        started_at: Some(at(started)),
    }
}

/// One minute windows, gaps of at most three minutes, two minutes of patience.
fn integrator() -> Integrator {
    Integrator::new(MINUTE, 3 * MINUTE, 2 * MINUTE, "kubelet")
}

fn take(integrator: &mut Integrator, samples: Vec<ContainerSample>, seconds: i64) {
    let reading = NodeReading {
        at: at(seconds),
        samples: Some(samples),
        gpus: None,
    };
    assert_eq!(integrator.take(&target(), &reading, &roster()), 0);
}

/// Minute, covered ms, CPU, charged CPU, memory, charged memory of every window that is handed over.
fn handed_over(integrator: &mut Integrator, seconds: i64) -> Vec<(i64, i64, i64, i64, i64, i64)> {
    let closed = integrator.close(at(seconds));
    let rows = closed.iter().flat_map(|usage| {
        let minute = usage.window_start_at.micros_since(Instant(HOUR)) / MINUTE;
        usage.containers.iter().map(move |c| {
            (
                minute,
                c.covered_ms,
                c.cpu_core_us,
                c.cpu_charged_core_us,
                c.memory_byte_seconds,
                c.memory_charged_byte_seconds,
            )
        })
    });
    rows.collect()
}

#[test]
fn what_lies_between_two_samples_is_spread_over_the_windows_it_touches() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(30, 5 * SECOND, 800, -9000)], 30);
    // A core and a half over a minute; memory rises from 800 to 1400.
    take(&mut integrator, vec![sample(90, 95 * SECOND, 1400, -9000)], 90);
    assert_eq!(
        handed_over(&mut integrator, 90),
        [(0, 30_000, 45 * SECOND, 45 * SECOND, 33_000, 33_000)]
    );
    // Nothing for a minute: the request is charged.
    take(&mut integrator, vec![sample(150, 95 * SECOND, 200, -9000)], 150);
    assert_eq!(
        handed_over(&mut integrator, 150),
        [(1, 60_000, 45 * SECOND, 60 * SECOND, 57_000, 63_000)]
    );
    assert!(handed_over(&mut integrator, 151).is_empty());
}

#[test]
fn a_counter_that_falls_counts_from_the_restart() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(0, 600 * SECOND, 100, -9000)], 0);
    // It began anew 20 s ago: what the old one used before its end is not known.
    take(&mut integrator, vec![sample(60, 4 * SECOND, 100, 40)], 60);
    assert_eq!(
        handed_over(&mut integrator, 60),
        [(0, 20_000, 4 * SECOND, 10 * SECOND, 2_000, 20_000)]
    );
    // The same where the counter is already past the old one.
    take(&mut integrator, vec![sample(120, 50 * SECOND, 100, 70)], 120);
    assert_eq!(
        handed_over(&mut integrator, 120),
        [(1, 50_000, 50 * SECOND, 50 * SECOND, 5_000, 50_000)]
    );
    // Without a start nothing of it is known.
    let mut lost = sample(180, SECOND, 100, 70);
    lost.started_at = None;
    take(&mut integrator, vec![lost], 180);
    assert!(handed_over(&mut integrator, 180).is_empty());
}

#[test]
fn a_gap_is_not_covered_and_a_container_that_just_began_is() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(0, SECOND, 100, -9000)], 0);
    take(&mut integrator, vec![sample(241, 900 * SECOND, 100, -9000)], 241);
    assert!(handed_over(&mut integrator, 241).is_empty());
    take(&mut integrator, vec![sample(280, 910 * SECOND, 100, -9000)], 280);
    assert_eq!(handed_over(&mut integrator, 3600)[0].1, 39_000);

    let mut integrator = self::integrator();
    take(&mut integrator, vec![sample(10, SECOND, 100, 0)], 10);
    assert_eq!(
        handed_over(&mut integrator, 3600)[0],
        (0, 10_000, SECOND, 5 * SECOND, 1_000, 10_000)
    );
}

#[test]
fn an_old_sample_served_again_changes_nothing() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(0, 0, 100, -9000)], 0);
    for seconds in [60, 75, 90] {
        take(
            &mut integrator,
            vec![sample(60, 30 * SECOND, 100, -9000)],
            seconds,
        );
    }
    let whole = (0, 60_000, 30 * SECOND, 30 * SECOND, 6_000, 60_000);
    assert_eq!(handed_over(&mut integrator, 90), [whole]);
}

#[test]
fn a_window_is_handed_over_once_though_its_node_answers_late() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(0, 0, 100, -9000)], 0);
    take(&mut integrator, vec![sample(30, 15 * SECOND, 100, -9000)], 30);
    // The node does not answer; after two minutes of patience the half is handed over.
    assert!(handed_over(&mut integrator, 179).is_empty());
    assert_eq!(handed_over(&mut integrator, 180)[0].1, 30_000);
    // What it then tells of the window is too late, the rest is not.
    take(&mut integrator, vec![sample(200, 100 * SECOND, 100, -9000)], 200);
    let minutes: Vec<(i64, i64)> = handed_over(&mut integrator, 3600)
        .iter()
        .map(|window| (window.0, window.1))
        .collect();
    assert_eq!(minutes, [(1, 60_000), (2, 60_000), (3, 20_000)]);
}

#[test]
fn an_emitter_that_starts_within_a_window_covers_the_rest_of_it() {
    let mut before = integrator();
    take(&mut before, vec![sample(0, 0, 100, -9000)], 0);
    // It ends; another starts and knows nothing of the first half.
    let mut after = integrator();
    take(&mut after, vec![sample(35, 17 * SECOND, 100, -9000)], 35);
    take(&mut after, vec![sample(65, 32 * SECOND, 100, -9000)], 65);
    assert_eq!(
        handed_over(&mut after, 65)[0],
        (0, 25_000, 12_500_000, 12_500_000, 2_500, 25_000)
    );
}

#[test]
fn a_rate_holds_until_the_sample_before_it() {
    let mut integrator = integrator();
    let rate = |seconds: i64, millicores: i64| ContainerSample {
        cpu: CpuMeasure::Rate {
            nanocores: millicores * 1_000_000,
            window_micros: 15 * SECOND,
        },
        started_at: None,
        ..sample(seconds, 0, 100, 0)
    };
    take(&mut integrator, vec![rate(20, 1000)], 20);
    take(&mut integrator, vec![rate(60, 2000)], 60);
    assert_eq!(
        handed_over(&mut integrator, 60),
        [(0, 55_000, 95 * SECOND, 95 * SECOND, 5_500, 55_000)]
    );
}

#[test]
fn several_cards_share_the_time_and_a_node_without_containers_was_read_all_the_same() {
    let mut integrator = integrator();
    let card = GpuSample {
        namespace: "payments".into(),
        pod: "api-0".into(),
        container: "api".into(),
        micro_cards: 500_000,
    };
    for seconds in [0, 60] {
        let reading = NodeReading {
            at: at(seconds),
            samples: Some(Vec::new()),
            gpus: Some(vec![card.clone(), card.clone()]),
        };
        integrator.take(&target(), &reading, &roster());
    }
    let closed = integrator.close(at(60));
    let container = &closed[0].containers[0];
    assert_eq!((container.covered_ms, container.gpu_covered_ms), (0, 60_000));
    assert_eq!(container.gpu_used_card_us, Some(60 * SECOND));

    let mut idle = self::integrator();
    take(&mut idle, Vec::new(), 0);
    take(&mut idle, Vec::new(), 60);
    let closed = idle.close(at(60));
    assert_eq!((closed.len(), closed[0].containers.len()), (1, 0));
    assert_eq!(closed[0].minutes(), Some(1));
}

#[test]
fn a_namesake_of_before_and_a_pod_nobody_knows_are_left_out() {
    let mut integrator = integrator();
    let mut stranger = sample(0, SECOND, 100, -9000);
    stranger.pod = "other".into();
    let namesake = sample(0, SECOND, 100, -20_000);
    let reading = NodeReading {
        at: at(0),
        samples: Some(vec![stranger, namesake]),
        gpus: None,
    };
    assert_eq!(integrator.take(&target(), &reading, &roster()), 2);
}

#[test]
fn a_clock_that_runs_ahead_and_a_counter_gone_mad_are_not_believed() {
    let mut integrator = integrator();
    take(&mut integrator, vec![sample(600, SECOND, 100, -9000)], 0);
    take(&mut integrator, vec![sample(660, 11 * SECOND, 100, -9000)], 60);
    assert_eq!(handed_over(&mut integrator, 60)[0].2, 10 * SECOND);
    take(&mut integrator, vec![sample(120, i64::MAX, 100, -9000)], 120);
    assert!(handed_over(&mut integrator, 120).is_empty());
}
