//! Rules that are removed, disabled, relabelled or renamed.

use crate::harness::{AlertsHarness, TROUBLE};

async fn firing() -> AlertsHarness {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(&[("trouble.sql", TROUBLE)], 0..3).await;
    place
        .run("update ledger.outbox set state = 'sent', settled_at = now(), attempts = 1 where state = 'queued'")
        .await;
    place
}

/// Another set comes into force when the last evaluator of the old one has gone.
async fn deploy(place: &AlertsHarness, rules: &[(&str, &str)], minutes: std::ops::Range<i64>) {
    place.run("delete from ledger.evaluator").await;
    place.minutes(rules, minutes).await;
}

async fn reason(place: &AlertsHarness) -> String {
    place.one("select resolved_reason from ledger.alert_instance where alertname = 'Trouble' and resolved_at is not null").await
}

#[tokio::test]
async fn removed_rule_resolves_its_alerts_and_says_why() {
    let place = firing().await;
    deploy(&place, &[], 3..4).await;
    assert_eq!(reason(&place).await, "rule_removed");
    let last: String = place
        .one("select kind || ' ' || reason from ledger.outbox where receiver = 'pager' order by outbox_id desc limit 1")
        .await;
    assert_eq!(last, "resolve rule_removed");
    assert_eq!(
        place
            .one::<String>("select state from fleet.rule where rule = 'trouble'")
            .await,
        "removed"
    );
}

#[tokio::test]
async fn disabled_rule_resolves_its_alerts_and_says_why() {
    let place = firing().await;
    let disabled = TROUBLE.replace("interval: 1m\n", "interval: 1m\nmode: disabled\n");
    deploy(&place, &[("trouble.sql", &disabled)], 3..4).await;
    assert_eq!(reason(&place).await, "rule_disabled");
    assert_eq!(
        place.queued("pager").await.last().unwrap(),
        "3 resolve rule_disabled 1"
    );
}

#[tokio::test]
async fn relabelled_rule_ends_the_old_alerts_and_begins_new_ones() {
    let place = firing().await;
    let relabelled = TROUBLE.replace("team: red", "team: blue");
    deploy(&place, &[("trouble.sql", &relabelled)], 3..6).await;
    assert_eq!(reason(&place).await, "rule_relabelled");
    assert_eq!(
        place
            .all("select team || ' ' || condition from fleet.alert where alertname = 'Trouble'")
            .await,
        ["blue firing"]
    );
    assert_eq!(
        place.queued("pager").await[1..],
        ["3 resolve rule_relabelled 1", "5 trigger new 1"]
    );
}

#[tokio::test]
async fn renamed_rule_goes_on_with_its_alerts() {
    let place = firing().await;
    let renamed = TROUBLE.replace("interval: 1m\n", "interval: 1m\nrenamed_from: [trouble]\n");
    deploy(&place, &[("worse-trouble.sql", &renamed)], 3..5).await;
    assert_eq!(
        place
            .all("select rule || ' ' || condition from fleet.alert where alertname = 'Trouble'")
            .await,
        ["worse-trouble firing"]
    );
    assert_eq!(place.queued("pager").await, ["2 trigger new 1"]);
}

#[tokio::test]
async fn shadow_rule_is_evaluated_and_notifies_nobody() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    let shadow = TROUBLE.replace("interval: 1m\n", "interval: 1m\nmode: shadow\n");
    place.minutes(&[("trouble.sql", &shadow)], 0..4).await;
    assert_eq!(
        place
            .all("select condition || ' ' || shadow from fleet.alert where alertname = 'Trouble'")
            .await,
        ["firing true"]
    );
    assert_eq!(place.queued("pager").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_longer_warm_up_demotes_nothing_that_fires() {
    let place = firing().await;
    let slower = TROUBLE.replace("for: 2m", "for: 1h");
    deploy(&place, &[("trouble.sql", &slower)], 3..5).await;
    assert_eq!(place.state("a").await, "firing");
}
