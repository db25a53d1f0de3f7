//! kill -9 at every named point between a slot and a receiver. The evaluator is a process of its own: this test binary,
//! started again with one test and told by the environment what to do.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fleetledger_alerts::fail_point::{FailPoint, arm};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::StubReceiver,
    harness::{AlertsHarness, TROUBLE},
};

const DEADLINE: Duration = Duration::from_secs(60);

fn rules() -> String {
    TROUBLE
        .replace("interval: 1m", "interval: 1s\ntimeout: 1s")
        .replace("for: 2m", "for: 2s")
        .replace("cooldown: 30m", "cooldown: 0s")
        .replace("limit: 5", "limit: 50")
}

/// What the process does that the other test starts; nothing where nobody asks for it.
#[tokio::test]
async fn evaluator_of_the_kill_test() {
    let Ok(url) = std::env::var("ALERTS_KILL_URL") else {
        return;
    };
    let endpoint = std::env::var("ALERTS_KILL_ENDPOINT").unwrap();
    if let Ok(point) = std::env::var("ALERTS_KILL_POINT") {
        let (name, nth) = point.split_once(':').unwrap();
        arm(FailPoint::parse(name).unwrap(), nth.parse().unwrap());
    }
    let place = AlertsHarness::at(url)
        .await
        .with_receivers(&endpoint, Duration::from_secs(5));
    let rules = rules();
    let name = format!("evaluator-{}", std::process::id());
    let evaluator = place.evaluator(&name, &[("trouble.sql", &rules)]);
    evaluator
        .run(&Registry::new(), CancellationToken::new())
        .await
        .unwrap();
}

struct EvaluatorProcess(std::process::Child);

impl EvaluatorProcess {
    fn start(place: &AlertsHarness, endpoint: &StubReceiver, point: Option<String>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "kill::evaluator_of_the_kill_test", "--nocapture"])
            .env("ALERTS_KILL_URL", &place.url)
            .env("ALERTS_KILL_ENDPOINT", &endpoint.url)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(point) = point {
            command.env("ALERTS_KILL_POINT", point);
        }
        Self(command.spawn().unwrap())
    }

    /// Waits until it has killed itself.
    async fn wait_until_dead(&mut self) {
        let begun = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < DEADLINE, "it never came to its point");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for EvaluatorProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The claims of a process that died end with their lease; the next one need not wait for it here.
async fn free(place: &AlertsHarness) {
    place
        .run(
            "update ledger.rule_group set owner = null, lease_until = null; delete from ledger.evaluator;
              update ledger.outbox set claimed_until = null",
        )
        .await;
}

#[tokio::test]
async fn killed_at_every_point_no_slot_is_applied_twice_and_no_notification_is_lost() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await;
    let mut lives = 0;
    for (number, point) in FailPoint::ALL.into_iter().enumerate() {
        let cluster = format!("c{number}");
        // A new alert each time, so that there is something to apply and to send.
        place.trouble(&cluster).await;
        for nth in [1, 3] {
            // Points of the delivery are passed once an alert.
            let nth = if number >= 6 { 1 } else { nth };
            let mut child =
                EvaluatorProcess::start(&place, &endpoint, Some(format!("{}:{nth}", point.as_str())));
            child.wait_until_dead().await;
            free(&place).await;
            lives += 1;
            if number >= 6 {
                break;
            }
        }
    }
    let child = EvaluatorProcess::start(&place, &endpoint, None);
    let clusters = FailPoint::ALL.len();
    place
        .until(&format!(
            "select count(*) = {clusters} and not exists (select from ledger.outbox where state = 'queued')
             from fleet.alert where alertname = 'Trouble' and condition = 'firing'"
        ))
        .await;
    place.run("delete from ledger.quarantine").await;
    place
        .until(&format!(
            "select count(*) = {clusters} and not exists (select from ledger.outbox where state <> 'sent')
             from ledger.outbox where kind = 'resolve'"
        ))
        .await;
    drop(child);
    assert_eq!(lives, 15);
    let fired = "select cluster || ' ' || count(*) from fleet.alert_history
        where alertname = 'Trouble' and event = 'firing' group by cluster having count(*) <> 1";
    assert_eq!(place.all(fired).await, Vec::<String>::new());
    let twice =
        "select count(*) from (select 1 from ledger.rule_run group by rule, slot having count(*) > 1) as t";
    assert_eq!(place.one::<i64>(twice).await, 0);
    // Each was told once that it fires and once that it does not, but for what was sent again because the answer was
    // lost: with the same key, and counted.
    let mut events = endpoint.events();
    let sent = events.len();
    events.sort();
    let most = events.chunk_by(|one, next| one == next).map(<[_]>::len).max();
    assert!(most <= Some(2), "one of them {most:?} times: {events:?}");
    events.dedup();
    assert_eq!(events.len(), 2 * clusters, "{events:?}");
    let doubles = sent - events.len();
    // Deliveries go on beside the slots: whichever point a process dies at, what it was sending may have arrived.
    assert!(doubles <= lives, "{doubles} doubles in {lives} lives");
    println!(
        "{lives} kills: {} notifications told, {doubles} of them twice, none lost",
        events.len()
    );
}
