//! What a login does to itself concerns nobody else: rules have a login of their own, and when that one fails a page leaves.

use std::time::{Duration, Instant};

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts::cache,
    program::{LedgerProcess, run},
    recording_hook::{RecordingHook, TROUBLE},
};
use tokio_postgres::Client;

use crate::login::{login, refused};

/// A page leaves within this.
const PAGED_WITHIN: Duration = Duration::from_secs(180);

/// What a login may not do to itself or to others.
const REFUSED: &[&str] = &[
    "alter role fleetledger_reader nologin",
    "alter role fleetledger_reader superuser",
    "alter role fleetledger_reader createrole",
    "alter role fleetledger_reader bypassrls",
    "alter role fleetledger_reader connection limit 0",
    "alter role fleetledger_reader valid until '2000-01-01'",
    "alter role fleetledger_team rename to mine",
    "alter role fleetledger_rules password 'mine'",
    "alter role fleetledger_rules set statement_timeout = 1",
    "alter role fleetledger_rules nologin",
    "alter role fleetledger_evaluate password 'mine'",
    "alter role fleetledger_select set statement_timeout = 1",
    "alter role all set statement_timeout = 1",
    "alter database ledger set statement_timeout = 1",
    "grant fleetledger_rules to fleetledger_reader",
    "set role fleetledger_rules",
    "drop role fleetledger_rules",
];

/// A database, an evaluator on it, and who is notified.
struct EvaluatorFixture {
    _server: LocalPostgres,
    database: LedgerDatabase,
    evaluator: LedgerProcess,
    hook: RecordingHook,
    toml: String,
    _folder: tempfile::TempDir,
}

impl EvaluatorFixture {
    /// On a server of its own: roles are the server's.
    async fn new(test: &str) -> Option<Self> {
        let server = LocalPostgres::builder().temporary().fast().start(&cache()).await;
        let server = unless_available(test, server).unwrap()?;
        let database = LedgerDatabase::create(&server, "ledger").await;
        let hook = RecordingHook::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trouble.sql"), TROUBLE).unwrap();
        let toml = format!(
            "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"text\"\n\
             [evaluate]\nrules = \"{}\"\nheartbeat_receivers = [\"hook\"]\n\
             [receivers.hook]\nkind = \"webhook\"\nsecret_url = \"env:HOOK_URL\"\n\
             [receivers.pager]\nkind = \"pagerduty\"\nurl = \"{}\"\nrouting_key = \"env:PAGER_KEY\"\n\
             [routes]\nreceivers = [\"hook\", \"pager\"]\n",
            database
                .owner_url
                .replacen("fleetledger@", "fleetledger_evaluate@", 1),
            folder.path().display(),
            hook.url
        );
        let evaluator = start_evaluator(&toml, &hook);
        let fixture = Self {
            _server: server,
            database,
            evaluator,
            hook,
            toml,
            _folder: folder,
        };
        fixture.await_notification("FleetledgerHeartbeat", "firing").await;
        Some(fixture)
    }

    async fn await_notification(&self, alert: &str, status: &str) {
        eventually(&format!("{alert} is {status}"), PAGED_WITHIN, || {
            let has = self.hook.has(alert, status);
            let seen = || format!("{}\n{}", self.hook.text(), self.evaluator.log_text());
            let held = ensure(has, seen);
            async move { held }
        })
        .await;
    }

    /// Waits until the pager was told so often that a login works.
    async fn await_resolves(&self, wanted: usize) {
        eventually("the pager is told that logins work", PAGED_WITHIN, || {
            let resolves = self.hook.count_events("resolve", "EvaluatorCannotLogIn/");
            let seen = || format!("{resolves}: {}\n{}", self.hook.text(), self.evaluator.log_text());
            let held = ensure(resolves >= wanted, seen);
            async move { held }
        })
        .await;
    }

    /// Another evaluator in the place of the one before, which has ended.
    fn start_again(&mut self) {
        self.evaluator = start_evaluator(&self.toml, &self.hook);
    }

    async fn quarantine(&self, cluster: &str) {
        self.database
            .execute(&format!(
                "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
                 values ('dfw', '{cluster}', 'uid-{cluster}', 'poisoned', 'x')"
            ))
            .await;
    }
}

fn start_evaluator(toml: &str, hook: &RecordingHook) -> LedgerProcess {
    let secrets = [("HOOK_URL", hook.url.as_str()), ("PAGER_KEY", "key")];
    LedgerProcess::start(&["evaluate"], toml, &secrets)
}

/// Every setting that a login may change of itself, each with a value that hurts.
async fn hostile_settings(client: &Client) -> Vec<String> {
    let list = "select format('alter role current_user set %I = %L', name, case vartype
            when 'bool' then case setting when 'on' then 'off' else 'on' end
            when 'enum' then (select one from unnest(enumvals) as one where one <> setting limit 1)
            when 'string' then case name when 'search_path' then 'pg_temp, public' when 'timezone' then 'Asia/Kathmandu'
                when 'datestyle' then 'SQL, DMY' when 'role' then 'none' else '' end
            else case when name ~ '_timeout$' then '1' else min_val end end)
        from pg_settings where context = 'user' order by name";
    let rows = client.query(list, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_reader_that_changes_itself_and_ends_its_sessions_stops_no_rule() {
    let test = "a_reader_that_changes_itself_and_ends_its_sessions_stops_no_rule";
    let Some(place) = EvaluatorFixture::new(test).await else {
        return;
    };
    let reader = login(&place.database, "fleetledger_reader").await;
    let (mut done, mut refusals) = (0, 0);
    for statement in [
        "alter role fleetledger_reader password 'mine'",
        "alter role fleetledger_reader set role = 'none'",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(hostile_settings(&reader).await)
    {
        match reader.batch_execute(&statement).await {
            Ok(()) => done += 1,
            Err(_) => refusals += 1,
        }
    }
    for statement in REFUSED {
        refused(&reader, statement).await;
        refusals += 1;
    }
    let others = "select pid from pg_stat_activity
        where usename in ('fleetledger_rules', 'fleetledger_evaluate')";
    let others = place.database.client.query(others, &[]).await.unwrap();
    assert!(others.len() >= 2, "{}", others.len());
    for one in &others {
        let pid: i32 = one.get(0);
        for call in ["pg_terminate_backend", "pg_cancel_backend"] {
            refused(&reader, &format!("select {call}({pid})")).await;
            refusals += 1;
        }
    }
    // Its own sessions it may end, all of them.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fleetledger_reader'";
    let _ = reader.batch_execute(end).await;
    done += 1;

    place.quarantine("a").await;
    let asked = Instant::now();
    place.await_notification("Trouble", "firing").await;
    println!(
        "{} attempts of a reader on itself and on others, {done} done, {refusals} refused: the next page left after {:.1} s",
        done + refusals,
        asked.elapsed().as_secs_f64()
    );
    assert!(done > 80, "{done}");
}

#[tokio::test]
async fn a_login_of_rules_that_is_refused_is_paged_within_three_minutes_and_resolved() {
    let test = "a_login_of_rules_that_is_refused_is_paged_within_three_minutes_and_resolved";
    let Some(place) = EvaluatorFixture::new(test).await else {
        return;
    };
    let shut = "alter role fleetledger_rules nologin;
        select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fleetledger_rules'";
    place.database.execute(shut).await;
    let asked = Instant::now();
    place.await_notification("EvaluatorCannotLogIn", "firing").await;
    let paged = asked.elapsed();
    let ready = place.evaluator.page("/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("the login that runs rules has failed"),
        "{ready}"
    );
    // What is told of rules does not depend on their login.
    place.await_notification("RuleEvaluationFailing", "firing").await;
    let by_rule = asked.elapsed();
    place.database.execute("alter role fleetledger_rules login").await;
    place.await_notification("EvaluatorCannotLogIn", "resolved").await;
    println!(
        "the login of rules was shut: paged without SQL after {:.0} s, by a rule after {:.0} s",
        paged.as_secs_f64(),
        by_rule.as_secs_f64()
    );
}

#[tokio::test]
async fn an_evaluator_that_is_not_let_in_at_its_start_pages_and_the_next_one_resolves_that() {
    let test = "an_evaluator_that_is_not_let_in_at_its_start_pages_and_the_next_one_resolves_that";
    let Some(mut place) = EvaluatorFixture::new(test).await else {
        return;
    };
    place.evaluator.stop().await;
    // What is wrong with the configuration itself is said at once.
    let (code, said) = run(&["evaluate"], &place.toml);
    assert!(code == Some(3) && said.contains("HOOK_URL"), "{code:?}: {said}");
    place
        .database
        .execute("alter role fleetledger_evaluate nologin")
        .await;
    let started = Instant::now();
    place.start_again();
    place.await_notification("EvaluatorCannotLogIn", "firing").await;
    let paged = started.elapsed();
    assert!(!place.evaluator.has_ended(), "{}", place.evaluator.log_text());
    let ready = place.evaluator.page("/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("is not permitted to log in"),
        "{ready}"
    );
    assert!(place.evaluator.page("/livez").starts_with("HTTP/1.1 200"));
    assert_eq!(place.hook.count("EvaluatorCannotLogIn", "resolved"), 0);

    // It ends as it can, and with it all that it knew.
    place.evaluator.kill().await;
    place
        .database
        .execute("alter role fleetledger_evaluate login")
        .await;
    let started = Instant::now();
    place.start_again();
    place.await_notification("EvaluatorCannotLogIn", "resolved").await;
    let resolved = started.elapsed();
    // Both logins: the ledger shows that nothing was evaluated, and not for want of which.
    place.await_resolves(2).await;
    let resolves = place.hook.count("EvaluatorCannotLogIn", "resolved");
    assert_eq!(resolves, 2, "{}", place.hook.text());

    // Where no page can stand, those that show people every message are told nothing.
    place.evaluator.stop().await;
    place.start_again();
    place.await_resolves(4).await;
    assert_eq!(place.hook.count("EvaluatorCannotLogIn", "resolved"), resolves);
    println!(
        "an evaluator that was not let in paged after {:.0} s; the next one resolved that after {:.0} s",
        paged.as_secs_f64(),
        resolved.as_secs_f64()
    );
}
