//! Several evaluators: one application a slot, one set of rules, and whoever lost its claim changes nothing.

use std::time::Duration;

use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::harness::{AlertsHarness, TROUBLE, minute};

const RULES: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];

#[tokio::test]
async fn a_slot_is_applied_once_however_often_it_is_run() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    let (one, two) = (place.evaluator("one", RULES), place.evaluator("one", RULES));
    for _ in 0..3 {
        let (first, second) = tokio::join!(one.evaluate(minute(3)), two.evaluate(minute(3)));
        assert!(first.unwrap() && second.unwrap());
    }
    let twice =
        "select count(*) from (select 1 from ledger.rule_run group by rule, slot having count(*) > 1) as t";
    assert_eq!(place.one::<i64>(twice).await, 0);
    assert_eq!(place.queued("pager").await, ["2 trigger new 1"]);
    // An older slot is history.
    assert!(one.evaluate(minute(1)).await.unwrap());
    assert_eq!(
        place
            .one::<i64>("select count(*) from fleet.rule_run where rule = 'trouble'")
            .await,
        4
    );
}

#[tokio::test]
async fn evaluator_with_other_files_is_in_standby_until_the_last_one_has_gone() {
    let place = AlertsHarness::new()
        .await
        .change(|settings| settings.lease = Duration::from_secs(60));
    let one = place.evaluator("one", RULES);
    assert!(one.evaluate(minute(0)).await.unwrap());
    let other = TROUBLE.replace("for: 2m", "for: 3m");
    let two = place.evaluator("two", &[("trouble.sql", &other)]);
    assert!(!two.evaluate(minute(1)).await.unwrap());
    assert!(two.health.ready().unwrap_err().contains("different rule files"));
    assert!(one.evaluate(minute(1)).await.unwrap());
    // Nothing is heard of it for longer than the lease.
    place
        .run("update ledger.evaluator set heartbeat_at = now() - interval '1 hour'")
        .await;
    assert!(two.evaluate(minute(2)).await.unwrap());
    assert!(two.health.ready().is_ok());
    let sets = "select count(distinct rule_set) from ledger.rule_run where slot = (select max(slot) from ledger.rule_run)";
    assert_eq!(place.one::<i64>(sets).await, 1);
    assert!(!one.evaluate(minute(3)).await.unwrap());
}

#[tokio::test]
async fn deposed_evaluator_applies_nothing() {
    let place = AlertsHarness::new()
        .await
        .change(|settings| settings.lease = Duration::from_secs(60));
    let (one, two) = (place.evaluator("one", RULES), place.evaluator("two", RULES));
    assert!(one.evaluate(minute(0)).await.unwrap());
    place
        .run("update ledger.rule_group set lease_until = now() - interval '1 second'")
        .await;
    place
        .run("update ledger.evaluator set heartbeat_at = now() - interval '1 hour'")
        .await;
    assert!(two.evaluate(minute(1)).await.unwrap());
    // The first comes back to life and finds that its groups are another's.
    assert!(!one.evaluate(minute(2)).await.unwrap());
    let owners =
        "select distinct evaluator from ledger.rule_run where slot = (select max(slot) from ledger.rule_run)";
    assert_eq!(place.all(owners).await, ["two"]);
}

/// Both run by the clock, on rules of one second; one is stopped, and the other has all of it.
#[tokio::test]
async fn two_evaluators_share_the_groups_and_one_takes_over() {
    let place = AlertsHarness::new().await;
    let quick = TROUBLE
        .replace("interval: 1m", "interval: 1s\ntimeout: 1s")
        .replace("for: 2m", "for: 1s");
    let second = quick
        .replace("alert: Trouble", "alert: MoreTrouble")
        .replace("interval: 1s", "interval: 1s\ngroup: other");
    let rules: &[(&str, &str)] = &[("trouble.sql", &quick), ("more.sql", &second)];
    place.trouble("a").await;
    let stop = [CancellationToken::new(), CancellationToken::new()];
    let mut tasks = tokio::task::JoinSet::new();
    for (name, stop) in ["one", "two"].into_iter().zip(stop.clone()) {
        let evaluator = place.evaluator(name, rules);
        tasks.spawn(async move { evaluator.run(&Registry::new(), stop).await.unwrap() });
    }
    place
        .until("select count(distinct evaluator) = 2 from ledger.rule_run where slot > now() - interval '10 seconds'")
        .await;
    stop[0].cancel();
    tasks.join_next().await.unwrap().unwrap();
    place
        .until(
            "select count(distinct rule) = 2 and count(distinct evaluator) = 1
             from ledger.rule_run where rule in ('trouble', 'more') and slot > now() - interval '3 seconds'",
        )
        .await;
    stop[1].cancel();
    tokio::time::timeout(Duration::from_secs(30), tasks.join_next())
        .await
        .unwrap();
    let twice =
        "select count(*) from (select 1 from ledger.rule_run group by rule, slot having count(*) > 1) as t";
    assert_eq!(place.one::<i64>(twice).await, 0);
    let fired = "select alertname || ' ' || count(*) from fleet.alert_history where event = 'firing'
        and alertname like '%Trouble' group by alertname order by 1";
    assert_eq!(place.all(fired).await, ["MoreTrouble 1", "Trouble 1"]);
}
