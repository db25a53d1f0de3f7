//! What has to survive a restart does: every minute has an evaluator of its own.

use crate::harness::{AlertsHarness, TROUBLE, minute};

const RULES: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];

#[tokio::test]
async fn warm_up_episode_and_cool_down_outlive_restarts() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..2).await;
    assert_eq!(place.state("a").await, "pending");
    assert_eq!(place.queued("pager").await, Vec::<String>::new());
    place.minutes(RULES, 2..4).await;
    assert_eq!(place.state("a").await, "firing");
    mark_all_sent(&place).await;
    place.peace("a").await;
    place.minutes(RULES, 4..5).await;
    assert_eq!(place.state("a").await, "resolved");
    // Back within the cool-down of 30 minutes: it fires, and nobody hears of it before its end.
    place.trouble("a").await;
    place.minutes(RULES, 5..31).await;
    assert_eq!(place.state("a").await, "firing");
    assert_eq!(
        place.queued("pager").await,
        ["2 trigger new 1", "4 resolve resolved 1"]
    );
}

#[tokio::test]
async fn cool_down_ends_with_a_page_of_the_episode_that_waits() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..4).await;
    mark_all_sent(&place).await;
    place.peace("a").await;
    place.minutes(RULES, 4..5).await;
    place.trouble("a").await;
    place.minutes(RULES, (5..30).step_by(4)).await;
    place.minutes(RULES, 30..34).await;
    let queued = place.queued("pager").await;
    assert_eq!(
        queued,
        ["2 trigger new 1", "4 resolve resolved 1", "32 trigger new 2"]
    );
}

#[tokio::test]
async fn snooze_is_quiet_wakes_and_resolves_the_old_key_first() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    mark_all_sent(&place).await;
    place.snooze("cluster=\"a\"", 3, 10).await;
    place.minutes(RULES, 3..10).await;
    mark_all_sent(&place).await;
    place.minutes(RULES, 10..12).await;
    assert_eq!(
        place.queued("pager").await,
        [
            "2 trigger new 1",
            "3 acknowledge snoozed 1",
            "10 resolve superseded 1",
            "10 trigger snooze_expired 2"
        ]
    );
    let events = "select event from fleet.alert_history where event in ('snoozed', 'unsnoozed') order by alert_event_id";
    assert_eq!(place.all(events).await, ["snoozed", "unsnoozed"]);
}

#[tokio::test]
async fn snooze_that_ends_while_the_query_fails_still_wakes() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    mark_all_sent(&place).await;
    place.snooze("cluster=\"a\"", 3, 10).await;
    place.minutes(RULES, 3..10).await;
    place.broken(true).await;
    place.minutes(RULES, 10..12).await;
    assert_eq!(place.state("a").await, "firing held");
    place.broken(false).await;
    place.minutes(RULES, 12..14).await;
    let queued = place.queued("pager").await;
    assert_eq!(
        queued[2..],
        ["12 resolve superseded 1", "12 trigger snooze_expired 2"]
    );
}

#[tokio::test]
async fn snooze_taken_back_wakes_and_one_resolved_for_a_while_ends() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    mark_all_sent(&place).await;
    let snooze = place.snooze("cluster=\"a\"", 3, 600).await;
    place.minutes(RULES, 3..5).await;
    let end = "update ledger.snooze set ended_at = $2, ended_by = 'bob', ended_reason = 'unsnoozed' where snooze_id = $1";
    place.sql.execute(end, &[&snooze, &minute(5)]).await.unwrap();
    place.minutes(RULES, 5..6).await;
    assert_eq!(
        place.queued("pager").await.last().unwrap(),
        "5 trigger snooze_expired 2"
    );
}

#[tokio::test]
async fn acknowledged_alert_is_not_repeated() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    mark_all_sent(&place).await;
    place
        .run(&format!(
            "insert into ledger.alert_ack (rule, fingerprint, acked_by, acked_at)
             select rule, fingerprint, 'bob', '{}' from ledger.alert_instance where alertname = 'Trouble'",
            minute(3)
        ))
        .await;
    place.minutes(RULES, 3..4).await;
    assert_eq!(
        place.queued("pager").await.last().unwrap(),
        "3 acknowledge acked 1"
    );
    assert_eq!(
        place
            .one::<String>("select acked_by from fleet.alert where alertname = 'Trouble'")
            .await,
        "bob"
    );
    // repeat_interval is four hours.
    place.minutes(RULES, (4..250).step_by(4)).await;
    assert_eq!(place.queued("pager").await.len(), 2);
}

#[tokio::test]
async fn trigger_that_nobody_saw_leaves_no_stuck_incident() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    place.peace("a").await;
    place.minutes(RULES, 3..4).await;
    assert_eq!(place.queued("pager").await, ["2 trigger new 1 cancelled"]);
    // The receiver heard nothing, so nothing cools down.
    place.trouble("a").await;
    place.minutes(RULES, 4..7).await;
    assert_eq!(place.queued("pager").await.last().unwrap(), "6 trigger new 2");
}

/// As if everything that is queued had been delivered.
async fn mark_all_sent(place: &AlertsHarness) {
    place
        .run("update ledger.outbox set state = 'sent', settled_at = now(), attempts = 1 where state = 'queued'")
        .await;
}
