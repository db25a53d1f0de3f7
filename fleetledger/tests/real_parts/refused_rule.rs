//! A rule file that the evaluator refuses is seen wherever its author looks.

use std::time::Duration;

use fleetledger_local::ports;
use tokio_postgres::Client;

use crate::{
    console::{ConsoleFixture, TROUBLE},
    process::{DEADLINE, RoleProcess, get_with, wait_for, wait_until},
    support,
};

/// What `fleet.rule` says of a rule: its state, whether a version of it is evaluated, and what is wrong.
const STATE: &str = "
    select concat_ws(' ', state, case when kind is not null and removed_at is null then 'evaluated' end, refused_reason)
    from fleet.rule where rule = $1";

async fn until(client: &Client, rule: &str, what: &str, is_so: impl Fn(Option<&str>) -> bool) -> String {
    let begun = std::time::Instant::now();
    loop {
        let row = client.query_opt(STATE, &[&rule]).await.unwrap();
        let state: Option<String> = row.map(|row| row.get(0));
        if is_so(state.as_deref()) {
            return state.unwrap_or_default();
        }
        assert!(begun.elapsed() < DEADLINE, "{rule} is never {what}: {state:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_rule_file_is_seen_by_its_author_until_it_is_mended_or_gone() {
    let place = ConsoleFixture::new().await;
    let alerts = place.folder.path().join("queries/alerts");
    let write = |name: &str, text: &str| std::fs::write(alerts.join(name), text).unwrap();
    let never = TROUBLE
        .replace("Trouble", "Never")
        .replace("cluster from quarantine", "clutser from quarantine");
    write("never.sql", &never);
    let ports = [ports::free_port().unwrap(), ports::free_port().unwrap()];
    let setups = ports.map(|port| place.setup(port, ""));
    let console = RoleProcess::start(&setups[0], &["console"]);
    let evaluator = RoleProcess::start(&setups[1], &["evaluate"]);
    let client = support::client(&place.server.url_of("ledger")).await;
    let is_refused = |state: Option<&str>| state.is_some_and(|state| state.starts_with("refused"));

    // One that was never good, and one whose last good version goes on.
    let said = until(&client, "never", "refused", is_refused).await;
    assert!(
        said.starts_with("refused ")
            && said.contains("never.sql:13:20: column \"clutser\" does not exist; did you mean `cluster`"),
        "{said}"
    );
    until(&client, "trouble", "evaluated", |state| {
        state == Some("ok evaluated")
    })
    .await;
    write("trouble.sql", &TROUBLE.replace("for: 0s", "fro: 0s"));
    let said = until(&client, "trouble", "refused", is_refused).await;
    assert!(
        said.starts_with("refused evaluated ")
            && said.contains("trouble.sql:5: unknown key `fro`; did you mean `for`?"),
        "{said}"
    );
    let last = "select last_slot > now() - interval '3 seconds' from fleet.rule where rule = 'trouble'";
    let begun = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    while !client.query_one(last, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(
            begun.elapsed() < DEADLINE,
            "the good version is not evaluated any more"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let errors = "select count(*) from fleet.rule where rule = 'trouble' and last_error is not null";
    assert_eq!(client.query_one(errors, &[]).await.unwrap().get::<_, i64>(0), 0);

    // The commands say it, and how each stands meanwhile.
    let (code, status) = setups[1].run_to_text(&["status"]);
    assert_eq!(code, 1, "{status}");
    for words in [
        "RED    the file of rule `never` is refused, and it is not evaluated: ",
        "YELLOW the file of rule `trouble` is refused, and its previous version is still evaluated: ",
        "refused rules 2,",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    let (code, list) = place.run_command("viewer", &["rules", "list", "--running"]);
    assert_eq!(code, 1, "{list}");
    let line = |rule: &str| {
        list.lines()
            .find(|line| line.trim().starts_with(rule))
            .unwrap_or_default()
    };
    assert!(
        line("never").contains("refused") && line("never").contains("(no version of it is evaluated)"),
        "{list}"
    );
    assert!(
        line("trouble").contains("unknown key `fro`")
            && line("trouble").contains("(the version before goes on)"),
        "{list}"
    );
    assert!(
        list.lines().last().unwrap().contains(" rules: 2 refused, "),
        "{list}"
    );
    let queries = place.folder.path().join("queries");
    let (code, list) = setups[1].run_to_text(&["rules", "list", queries.to_str().unwrap()]);
    assert!(
        code == 1 && list.contains("unknown key `fro`") && list.contains("1 refused"),
        "{list}"
    );

    // So do the pages.
    wait_for(ports[0], "/readyz", "console: ok");
    let page = |path: &str| get_with(place.console, path, "Authorization: Bearer viewer-secret\r\n");
    let rules = page("/rules");
    for words in [
        "2 refused</caption>",
        "<td class=\"mark ticket\">◆ refused</td>",
        "unknown key `fro`",
        "its previous version is still evaluated",
        "column &quot;clutser&quot; does not exist",
        "no version of it is evaluated",
    ] {
        assert!(rules.contains(words), "{words}: {rules}");
    }
    assert!(page("/").contains("◆ 2 rules are refused"), "{}", page("/"));
    let one = page("/rules/never");
    assert!(
        one.contains("<dt>Refused</dt>") && one.contains("clutser"),
        "{one}"
    );

    // Mended and taken away: nothing is said any more.
    write("trouble.sql", TROUBLE);
    std::fs::remove_file(alerts.join("never.sql")).unwrap();
    until(&client, "trouble", "good again", |state| {
        state == Some("ok evaluated")
    })
    .await;
    until(&client, "never", "forgotten", |state| state.is_none()).await;
    let (_, status) = setups[1].run_to_text(&["status"]);
    assert!(
        status.contains("refused rules 0,") && !status.contains("is refused"),
        "{status}"
    );
    assert!(!page("/").contains("refused"));
    wait_until(ports[1], "/readyz", "ready", |answer| {
        answer.contains("evaluate: ok")
    });

    // An evaluator that is started with a refused file knows no version of it, and holds the rule's alerts.
    let firing = "select count(*) from fleet.alert where alertname = 'Trouble' and condition = 'firing'";
    let fires = async || client.query_one(firing, &[]).await.unwrap().get::<_, i64>(0) == 2;
    let begun = std::time::Instant::now();
    while !fires().await {
        assert!(begun.elapsed() < DEADLINE, "Trouble never fires");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    write("trouble.sql", &TROUBLE.replace("for: 0s", "fro: 0s"));
    let (code, log) = evaluator.stop();
    assert_eq!(code, Some(0), "{log}");
    let evaluator = RoleProcess::start(&setups[1], &["evaluate"]);
    until(&client, "trouble", "refused and not evaluated", |state| {
        state.is_some_and(|state| state.starts_with("refused ") && !state.starts_with("refused evaluated"))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(fires().await, "a typing error in a file has resolved an alert");
    write("trouble.sql", TROUBLE);
    until(&client, "trouble", "evaluated again", |state| {
        state == Some("ok evaluated")
    })
    .await;
    assert!(fires().await);

    // What an evaluator refused that ends is forgotten with it.
    write("trouble.sql", &TROUBLE.replace("for: 0s", "fro: 0s"));
    until(&client, "trouble", "refused again", is_refused).await;
    for (name, role) in [("evaluate", evaluator), ("console", console)] {
        let (code, log) = role.stop();
        assert_eq!(code, Some(0), "{name}: {log}");
    }
    until(&client, "trouble", "nobody's", |state| {
        state == Some("ok evaluated")
    })
    .await;
}
