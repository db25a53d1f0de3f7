//! Passwords of PostgreSQL: of the ingester, of the evaluator, and of the login that runs rules.

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts::{self, cache},
    program::{LedgerProcess, every_partition, ingest_configuration},
    recording_hook::{RecordingHook, TROUBLE},
    storm::{RecordStorm, RunningStorm},
};
use tempfile::TempDir;

use crate::{LIMIT, SecretFile, await_landing, judge, lines_with};

/// The logins of the central site.
const ROLES: [&str; 3] = ["fleetledger_ingest", "fleetledger_evaluate", "fleetledger_rules"];
/// What the server says of a wrong password.
const REFUSED: &str = "password authentication failed";
/// Lines of logins that may fall between the change of a role and that of its file, which are not one step.
const LOGINS_BETWEEN: usize = 4;
/// Lines of refusals that two processes may log in a little more than ten seconds.
const MOST_LINES: usize = 300;

/// A server that asks the logins of the central site for a password, and the files that hold them.
struct PasswordFixture {
    server: LocalPostgres,
    database: LedgerDatabase,
    files: [SecretFile; 3],
    folder: TempDir,
}

impl PasswordFixture {
    async fn new(test: &str) -> Option<Self> {
        let server = LocalPostgres::builder().temporary().fast().start(&cache()).await;
        let server = unless_available(test, server).unwrap()?;
        let database = LedgerDatabase::create(&server, "ledger").await;
        let folder = tempfile::tempdir().unwrap();
        let files = ROLES.map(|role| SecretFile::new(folder.path(), role, "first"));
        let fixture = Self {
            server,
            database,
            files,
            folder,
        };
        fixture.set_passwords("first").await;
        let hba = fixture.server.data_dir().join("pg_hba.conf");
        let open = std::fs::read_to_string(&hba).unwrap();
        let roles = ROLES.join(",");
        let closed = format!("host all {roles} 127.0.0.1/32 scram-sha-256\n{open}");
        std::fs::write(&hba, closed).unwrap();
        fixture.database.execute("select pg_reload_conf()").await;
        Some(fixture)
    }

    /// Gives every role this password.
    async fn set_passwords(&self, password: &str) {
        for role in ROLES {
            let alter = format!("alter role {role} password '{password}'");
            self.database.execute(&alter).await;
        }
    }

    fn write_files(&self, password: &str) {
        self.files.iter().for_each(|file| file.replace(password));
    }

    /// Ends all sessions of these roles: whoever goes on has to log in anew.
    async fn end_sessions(&self) {
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename in ('{}')",
            ROLES.join("', '")
        );
        self.database.execute(&end).await;
    }

    fn ingester(&self, servers: &str, prefix: &str) -> LedgerProcess {
        let more = format!(
            "instance_id = \"rotated\"\nlinger_ms = 20\nlinger_caught_up_ms = 5\n{}",
            every_partition(prefix)
        );
        let toml = ingest_configuration(servers, prefix, &self.database.ingester_url, &more);
        let password = format!("tls = \"off\"\npassword = \"{}\"\n", self.files[0].reference());
        LedgerProcess::start(&["ingest"], &toml.replacen("tls = \"off\"\n", &password, 1), &[])
    }

    fn evaluator(&self, hook: &RecordingHook) -> LedgerProcess {
        let rules = self.folder.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("trouble.sql"), TROUBLE).unwrap();
        let toml = format!(
            "[postgres]\nurl = \"{}\"\ntls = \"off\"\npassword = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"text\"\n\
             [evaluate]\nrules = \"{}\"\nrules_password = \"{}\"\nheartbeat_receivers = [\"hook\"]\n\
             [receivers.hook]\nkind = \"webhook\"\nsecret_url = \"env:HOOK_URL\"\n[routes]\nreceivers = [\"hook\"]\n",
            self.database
                .owner_url
                .replacen("fleetledger@", "fleetledger_evaluate@", 1),
            self.files[1].reference(),
            rules.display(),
            self.files[2].reference(),
        );
        LedgerProcess::start(&["evaluate"], &toml, &[("HOOK_URL", &hook.url)])
    }
}

async fn await_alert(hook: &RecordingHook, alert: &str, evaluator: &LedgerProcess) {
    eventually(&format!("{alert} fires"), LIMIT, || async {
        ensure(hook.has(alert, "firing"), || evaluator.log_text())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_of_the_database_are_rotated_under_load_and_nothing_halts_or_is_lost() {
    let test = "passwords_of_the_database_are_rotated_under_load_and_nothing_halts_or_is_lost";
    let Some(shared) = parts::shared(test).await else {
        return;
    };
    let Some(place) = PasswordFixture::new(test).await else {
        return;
    };
    let prefix = shared.topics().await;
    let (kafka, hook) = (shared.kafka.client_config(), RecordingHook::start().await);
    let storm = RecordStorm::new(&kafka, &prefix, 7).await;
    let ingester = place.ingester(&shared.kafka.bootstrap_servers(), &prefix);
    let evaluator = place.evaluator(&hook);
    let both = [&ingester, &evaluator];
    let blowing = RunningStorm::start_at(storm, 10);
    await_landing(&place.database, &both).await;
    await_alert(&hook, "FleetledgerHeartbeat", &evaluator).await;

    // Close to each other: the open sessions go on, and those that are made anew log in with the new one.
    for password in ["second", "third"] {
        place.set_passwords(password).await;
        place.write_files(password);
        place.end_sessions().await;
        await_landing(&place.database, &both).await;
    }
    let before = lines_with(&ingester, REFUSED) + lines_with(&evaluator, REFUSED);
    assert!(
        before <= LOGINS_BETWEEN,
        "{}\n{}",
        ingester.log_text(),
        evaluator.log_text()
    );

    // The role has changed, its file has not: all that log in are refused and try again.
    place.set_passwords("fourth").await;
    place.end_sessions().await;
    eventually("the evaluator is unready for ten seconds", LIMIT, || async {
        let ready = evaluator.page("/readyz");
        let refused = ready.contains("503") && ready.contains(REFUSED);
        ensure(refused, || format!("{ready}\n{}", evaluator.log_text()))
    })
    .await;
    for process in both {
        eventually("the log says that the password is refused", LIMIT, || async {
            ensure(lines_with(process, REFUSED) > 0, || process.log_text())
        })
        .await;
        let lines = lines_with(process, REFUSED);
        assert!(lines < MOST_LINES, "{lines}: {}", process.log_text());
    }
    assert!(
        ingester
            .log_text()
            .contains("set the role's password to the one that postgres.password points to"),
        "{}",
        ingester.log_text()
    );
    let lines = both.map(|process| lines_with(process, REFUSED));
    place.write_files("fourth");
    await_landing(&place.database, &both).await;
    place
        .database
        .execute(
            "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
             values ('dfw', 'a', 'ua', 'poisoned', 'x')",
        )
        .await;
    await_alert(&hook, "Trouble", &evaluator).await;

    // The other way around: the file is ahead of its role.
    place.write_files("fifth");
    place.end_sessions().await;
    eventually("the newest password is refused", LIMIT, || async {
        ensure(lines_with(&ingester, REFUSED) > lines[0], || ingester.log_text())
    })
    .await;
    place.set_passwords("fifth").await;
    await_landing(&place.database, &both).await;
    blowing.end().await;
    let fold = judge(&kafka, &prefix, &place.database, &ingester).await;
    let records: i64 = fold.counts.values().map(|counts| counts.total()).sum();
    println!(
        "five passwords under load, {records} records: while one was refused for ten seconds the ingester logged {} lines \
         of it and the evaluator {}; 0 halted, 0 lost",
        lines[0], lines[1]
    );
    let (mut ingester, mut evaluator) = (ingester, evaluator);
    ingester.stop().await;
    evaluator.stop().await;
}
