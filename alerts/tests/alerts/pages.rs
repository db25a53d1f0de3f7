//! The pages that notifications link to, over real instances.

use fleetledger_alerts::{http::CallerRole, links::LinkTargets};

use crate::{
    api::AlertsApiServer,
    harness::{AlertsHarness, TROUBLE},
};

async fn page(server: &AlertsApiServer, path: &str) -> (u16, String) {
    let answer = server
        .http
        .get(format!("{}{path}", server.url))
        .send()
        .await
        .unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn every_link_of_a_notification_leads_to_a_page_that_is_there() {
    let rules = TROUBLE.replace("runbook: trouble", "runbook: node-not-reporting");
    let rules: &[(&str, &str)] = &[("trouble.sql", &rules)];
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.trouble("<b>").await;
    place.minutes(rules, 0..3).await;
    let server = AlertsApiServer::start(&place, CallerRole::Viewer).await;
    let message: serde_json::Value = place
        .one("select annotations from ledger.alert_instance where alertname = 'Trouble' and cluster = '<b>'")
        .await;
    let labels: serde_json::Value = place
        .one("select labels from ledger.alert_instance where alertname = 'Trouble' and cluster = '<b>'")
        .await;
    let places = LinkTargets {
        console_url: server.url.clone(),
        runbook_base_url: String::new(),
    };
    let links = places.links(
        &serde_json::from_value(labels).unwrap(),
        &serde_json::from_value(message).unwrap(),
    );
    let path = |link: Option<String>| link.unwrap().strip_prefix(&server.url).unwrap().to_owned();
    let (status, alert) = page(&server, &path(links.snooze)).await;
    assert_eq!(status, 200, "{alert}");
    for shown in [
        "<h1>Trouble</h1>",
        "trouble in &lt;b&gt;",
        "<td>firing</td>",
        "<td>pending</td>",
        "href=\"&#x2f;runbooks&#x2f;node-not-reporting\"",
        "$ fleetledger alerts snooze Trouble &#x27;cluster=&lt;b&gt;&#x27; datacenter=dc1 ",
        "href=\"/rules/trouble\"",
    ] {
        assert!(alert.contains(shown), "{shown}: {alert}");
    }
    assert!(!alert.contains("<b>") && !alert.contains("<script"), "{alert}");
    let (status, timeline) = page(&server, &path(links.timeline)).await;
    assert!(
        status == 200 && timeline.contains("<td>firing</td>"),
        "{timeline}"
    );
    assert!(timeline.contains("cluster = &#x27;&lt;b&gt;&#x27;"), "{timeline}");
    let (status, runbook) = page(&server, &path(links.runbook)).await;
    assert!(
        status == 200 && runbook.contains("<h1>NodeNotReporting</h1>") && runbook.contains("<h2>Look</h2>"),
        "{runbook}"
    );

    let (status, both) = page(&server, "/alerts?alertname=Trouble").await;
    assert!(
        status == 200 && both.matches("<td>firing</td>").count() == 2,
        "{both}"
    );
    place.peace("a").await;
    place.minutes(rules, 3..4).await;
    let (_, over) = page(&server, "/alerts?alertname=Trouble&cluster=a").await;
    assert!(over.contains("<dd>resolved</dd>"), "{over}");
}

#[tokio::test]
async fn a_rule_is_shown_with_its_sql_and_its_runs_and_what_is_not_there_is_a_page_too() {
    let rules: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];
    let place = AlertsHarness::new().await;
    place.minutes(rules, 0..2).await;
    let server = AlertsApiServer::start(&place, CallerRole::Viewer).await;
    let (status, rule) = page(&server, "/rules/trouble").await;
    assert_eq!(status, 200, "{rule}");
    assert!(
        rule.contains("from quarantine") && rule.matches("<td>ok</td>").count() == 2,
        "{rule}"
    );
    let (_, all) = page(&server, "/rules").await;
    assert!(
        all.contains("href=\"/rules/trouble\"") && all.contains("rule-too-slow"),
        "{all}"
    );
    for missing in [
        "/rules/none",
        "/alerts/trouble/none",
        "/runbooks/none",
        "/runbooks/..%2F..%2FCargo",
        "/runbooks/README.md",
    ] {
        let (status, body) = page(&server, missing).await;
        assert!(
            status == 404 && body.contains("<h1>Not Found</h1>"),
            "{missing}: {status} {body}"
        );
    }
    assert_eq!(page(&server, "/timeline").await.0, 400);
    assert_eq!(page(&server, "/timeline?nose=1").await.0, 400);
}
