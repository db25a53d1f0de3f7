//! Doctor of evaluator and console: each broken set-up is found, with its fix.

use crate::support::{self, BinaryFixture, assert_broken, assert_well, client, finding};

const RULE: &str = "/*---
alert: Trouble
labels: {severity: page}
annotations: {summary: trouble, runbook: trouble}
freshness: none
---*/
select 1 as one from quarantine
";

struct DoctorFixture {
    server: fleetledger_local::postgres::LocalPostgres,
    folder: tempfile::TempDir,
}

impl DoctorFixture {
    async fn new() -> Self {
        let server = support::postgres().await;
        support::migrated(&server, "ledger").await;
        let place = Self {
            server,
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(place.folder.path().join("queries")).unwrap();
        place.write("queries/trouble.sql", RULE);
        for (name, text) in [
            ("hook", "https://hook.example/x"),
            ("alice", "one"),
            ("bob", "two"),
        ] {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A set-up as it should be, but for what is replaced in its file.
    fn setup(&self, old: &str, new: &str) -> BinaryFixture {
        let folder = self.folder.path().display();
        let toml = format!(
            "[postgres]\nurl = \"postgres://fleetledger_evaluate@127.0.0.1:{}/ledger\"\ntls = \"off\"\n\
             [evaluate]\nrules_user = \"fleetledger_rules\"\nrules = \"{folder}/queries\"\n\
             [receivers.hook]\nkind = \"webhook\"\nsecret_url = \"file:{folder}/hook\"\n\
             [console.tokens.alice]\nrole = \"viewer\"\ntoken = \"file:{folder}/alice\"\n\
             [console.tokens.bob]\nrole = \"operator\"\ntoken = \"file:{folder}/bob\"\n",
            self.server.port()
        );
        assert!(toml.contains(old), "{old}");
        BinaryFixture::new(&toml.replace(old, new))
    }

    fn broken(&self, (old, new): (&str, &str), check: &str, why: &str, fix: &str) {
        assert_broken(&self.setup(old, new), "evaluate", check, why, fix);
    }
}

#[tokio::test]
async fn an_evaluator_that_is_set_up_well_is_found_well() {
    let place = DoctorFixture::new().await;
    let setup = place.setup("", "");
    for check in [
        "evaluate-reader",
        "evaluate-grants",
        "evaluate-rules",
        "evaluate-receivers",
        "console-tokens",
    ] {
        assert_well(&setup, "evaluate", check);
    }
    assert_well(&setup, "machine", "secret-files");
    assert_eq!(finding(&setup, "postgres-grants", "postgres").0, "skipped");
    let ingester = place.setup("fleetledger_evaluate@", "fleetledger_ingest@");
    assert_eq!(finding(&ingester, "evaluate-grants", "evaluate").0, "skipped");
    let bare = BinaryFixture::new(
        "[postgres]\nurl = \"postgres://x@127.0.0.1:1/x\"\ntls = \"off\"\n[evaluate]\nrules = \"/no/such/folder\"\n",
    );
    assert_broken(
        &bare,
        "evaluate",
        "evaluate-rules",
        "folder /no/such/folder not found",
        "set evaluate.rules",
    );
    let none = BinaryFixture::new("");
    assert_eq!(finding(&none, "evaluate-receivers", "evaluate").0, "skipped");
}

#[tokio::test]
async fn a_login_of_rules_that_fails_or_could_do_more_is_reported() {
    let place = DoctorFixture::new().await;
    let reader = "rules_user = \"fleetledger_rules\"";
    place.broken(
        (reader, "rules_user = \"nobody_here\""),
        "evaluate-reader",
        "user nobody_here cannot log in: ",
        "alter role nobody_here login",
    );
    place.broken(
        (reader, "rules_user = \"fleetledger_reader\""),
        "evaluate-reader",
        "which people log in as",
        "set evaluate.rules_user to fleetledger_rules",
    );
    place.broken(
        (reader, "rules_user = \"fleetledger_evaluate\""),
        "evaluate-reader",
        "which may use schema ledger",
        "set evaluate.rules_user to fleetledger_rules",
    );
    place.broken(
        (reader, "rules_user = \"fleetledger\""),
        "evaluate-reader",
        "which is a superuser",
        "set evaluate.rules_user to fleetledger_rules",
    );
    place.broken(
        (
            reader,
            "rules_user = \"fleetledger_rules\"\nrules_password = \"env:NO_SUCH_VARIABLE\"",
        ),
        "evaluate-reader",
        "NO_SUCH_VARIABLE",
        "evaluate.rules_password",
    );
    client(&place.server.url_of("ledger"))
        .await
        .batch_execute("create role stranger login; grant usage on schema ledger to stranger")
        .await
        .unwrap();
    place.broken(
        ("fleetledger_evaluate@", "stranger@"),
        "evaluate-grants",
        "user stranger lacks privileges: ledger.",
        "grant fleetledger_evaluate to stranger",
    );
}

#[tokio::test]
async fn rules_receivers_and_tokens_that_cannot_be_used_are_reported() {
    let place = DoctorFixture::new().await;
    let none = ("", "");
    place.write("queries/bad.sql", "select 1");
    place.broken(
        none,
        "evaluate-rules",
        "bad.sql:1: the file does not begin with front matter",
        "fleetledger rules check ",
    );
    place.write(
        "queries/bad.sql",
        &RULE
            .replace("alert: Trouble", "alert: Other")
            .replace("quarantine", "quarantines"),
    );
    place.broken(
        none,
        "evaluate-rules",
        "relation \"quarantines\" does not exist",
        "fleetledger rules check ",
    );

    let hook = format!("file:{}/hook", place.folder.path().display());
    place.broken(
        (&hook, "file:/no/such/file"),
        "evaluate-receivers",
        "receivers.hook.secret_url: cannot read /no/such/file",
        "store the secret",
    );
    let section = format!("[receivers.hook]\nkind = \"webhook\"\nsecret_url = \"{hook}\"\n");
    place.broken(
        (&section, ""),
        "evaluate-receivers",
        "nobody is notified",
        "[receivers.NAME]",
    );

    let bob = format!("file:{}/bob", place.folder.path().display());
    place.broken(
        (&bob, "env:NO_SUCH_VARIABLE"),
        "console-tokens",
        "console.tokens.bob.token: environment variable NO_SUCH_VARIABLE",
        "store the token",
    );
    place.write("bob", "one\n");
    place.broken(
        none,
        "console-tokens",
        "alice and bob have the same token",
        "openssl rand -hex 32",
    );
    place.write("bob", "two");
    let open = place.folder.path().join("bob");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_broken(
        &place.setup("", ""),
        "machine",
        "secret-files",
        "console.tokens.bob.token: every user",
        "chmod o=",
    );
}
