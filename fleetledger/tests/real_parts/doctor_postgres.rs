//! Doctor against PostgreSQL: each broken set-up is found, with its fix.

use crate::support::{self, BinaryFixture, assert_broken, assert_well, client};
use fleetledger_local::{postgres::LocalPostgres, tls::CertificateAuthority};

fn section(port: u16, more: &str) -> String {
    format!(
        "[postgres]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"fleetledger\"\ntls = \"off\"\n{more}\n"
    )
}

fn on_database(port: u16, database: &str) -> BinaryFixture {
    BinaryFixture::new(&section(port, &format!("database = \"{database}\"")))
}

#[tokio::test]
async fn unreachable_wrong_database_and_wrong_password_are_distinguished() {
    let server = support::postgres().await;
    let nobody = fleetledger_local::ports::free_port().unwrap();
    assert_broken(
        &on_database(nobody, "x"),
        "postgres",
        "postgres-reach",
        "connection refused",
        "start the server",
    );
    assert_broken(
        &on_database(server.port(), "nowhere"),
        "postgres",
        "postgres-reach",
        "\"nowhere\" does not exist",
        "create database",
    );

    // Trust gives way to a password for one user.
    let admin = client(&server.url()).await;
    admin
        .batch_execute(
            "set password_encryption = 'scram-sha-256'; create role secretive login password 'right'",
        )
        .await
        .unwrap();
    let hba = server.data_dir().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(
        &hba,
        format!("host all secretive 127.0.0.1/32 scram-sha-256\n{rules}"),
    )
    .unwrap();
    admin.batch_execute("select pg_reload_conf()").await.unwrap();
    let wrong = section(
        server.port(),
        "database = \"postgres\"\npassword = \"env:TEST_PASSWORD\"",
    )
    .replace("user = \"fleetledger\"", "user = \"secretive\"");
    let wrong = BinaryFixture::new(&wrong).variable("TEST_PASSWORD", "hunter2");
    // The server reads its rules a moment after it was told to.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while support::finding(&wrong, "postgres-reach", "postgres").0 != "broken"
        && std::time::Instant::now() < deadline
    {}
    assert_broken(
        &wrong,
        "postgres",
        "postgres-reach",
        "refuses the password of user secretive",
        "postgres.password",
    );
    let (_, output) = wrong.run_to_text(&["doctor", "--only", "postgres"]);
    assert!(!output.contains("hunter2"), "{output}");
}

#[tokio::test]
async fn database_that_is_empty_behind_edited_or_ahead_is_reported() {
    let server = support::postgres().await;
    server.create_database("empty").await.unwrap();
    assert_broken(
        &on_database(server.port(), "empty"),
        "postgres",
        "postgres-migrated",
        "no ledger",
        "fleetledger migrate",
    );

    let url = support::migrated(&server, "ledger").await;
    let setup = on_database(server.port(), "ledger");
    for check in [
        "postgres-migrated",
        "postgres-partitions",
        "postgres-grants",
        "postgres-locks",
        "postgres-jit",
        "postgres-clock",
        "postgres-encoding",
        "postgres-primary",
        "postgres-version",
        "postgres-connections",
    ] {
        assert_well(&setup, "postgres", check);
    }
    let client = client(&url).await;
    client
        .batch_execute("update ledger.repeatable_set set sha256 = 'x'")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        "postgres-migrated",
        "views missing",
        "fleetledger migrate",
    );
    client
        .batch_execute("update ledger.migration set sha256 = 'x' where name like '0002%'")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        "postgres-migrated",
        "0002_object_tables.sql was edited",
        "restore the migration",
    );
    client.batch_execute("insert into ledger.migration (name, sha256) values ('9999_z.sql', 'x'); update ledger.migration set sha256 = sha256").await.unwrap();
    client
        .batch_execute("delete from ledger.migration where name like '0002%'")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        "postgres-migrated",
        "9999_z.sql",
        "newer fleetledger",
    );
}

#[tokio::test]
async fn settings_of_the_server_that_do_harm_are_reported() {
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .config("jit", "on")
        .config("max_locks_per_transaction", "64")
        .config("max_connections", "12")
        .start(&support::cache())
        .await
        .unwrap();
    let setup = on_database(server.port(), "postgres");
    assert_broken(
        &setup,
        "postgres",
        "postgres-durability",
        "fsync",
        "alter system reset fsync",
    );
    assert_broken(
        &setup,
        "postgres",
        "postgres-jit",
        "jit is on",
        "alter role fleetledger set jit = off",
    );
    assert_broken(
        &setup,
        "postgres",
        "postgres-locks",
        "max_locks_per_transaction = 64",
        "512",
    );
    let crowd = futures::future::join_all((0..5).map(|_| client_of(&server))).await;
    assert_broken(
        &setup,
        "postgres",
        "postgres-connections",
        "connections are left",
        "max_connections",
    );
    drop(crowd);
    let admin = client(&server.url()).await;
    admin
        .batch_execute("alter database postgres set default_transaction_read_only = on")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        "postgres-primary",
        "read-only",
        "postgres.host",
    );
    admin
        .batch_execute(
            "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
        )
        .await
        .unwrap();
    assert_broken(
        &on_database(server.port(), "latin"),
        "postgres",
        "postgres-encoding",
        "LATIN1",
        "encoding 'UTF8'",
    );
}

async fn client_of(server: &LocalPostgres) -> tokio_postgres::Client {
    client(&server.url()).await
}

#[tokio::test]
async fn missing_partitions_and_missing_privileges_are_reported() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let client = client(&url).await;
    let tomorrow = client
        .query_one(
            "select partition_name from ledger.partition_bounds('batch') where from_at > now() order by from_at limit 1",
            &[],
        )
        .await
        .unwrap();
    let tomorrow: String = tomorrow.get(0);
    client
        .batch_execute(&format!(
            "drop table ledger.{tomorrow}; create role stranger login"
        ))
        .await
        .unwrap();
    let setup = on_database(server.port(), "ledger");
    assert_broken(
        &setup,
        "postgres",
        "postgres-partitions",
        "batch",
        "ensure_partitions",
    );
    let stranger = section(server.port(), "database = \"ledger\"")
        .replace("user = \"fleetledger\"", "user = \"stranger\"");
    let stranger = BinaryFixture::new(&stranger);
    assert_broken(
        &stranger,
        "postgres",
        "postgres-grants",
        "user stranger lacks privileges",
        "grant fleetledger_ingest to stranger",
    );
    client
        .batch_execute("grant fleetledger_ingest to stranger")
        .await
        .unwrap();
    assert_well(&stranger, "postgres", "postgres-grants");
}

#[tokio::test]
async fn wrong_ca_names_the_database_and_the_file_and_mutual_tls_works() {
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .tls(ours.server("postgres").unwrap(), true)
        .start(&support::cache())
        .await
        .unwrap();
    let own = ours.client("fleetledger").unwrap();
    let with = |ca: &std::path::Path, more: &str| {
        let base = section(server.port(), "database = \"postgres\"")
            .replace("tls = \"off\"", "tls = \"verify-full\"");
        BinaryFixture::new(&format!("{base}ca = \"{}\"\n{more}", ca.display()))
    };
    let pair = format!(
        "certificate = \"{}\"\nkey = \"{}\"\n",
        own.certificate.display(),
        own.key.display()
    );
    assert_well(&with(ours.ca(), &pair), "postgres", "postgres-reach");

    let wrong = with(theirs.ca(), &pair);
    let place = format!("postgres 127.0.0.1:{}", server.port());
    assert_broken(&wrong, "postgres", "postgres-reach", &place, "postgres.ca");
    assert_broken(
        &wrong,
        "postgres",
        "postgres-reach",
        "theirs/ca.pem",
        "postgres.ca",
    );
    let (code, output) = wrong.run_to_text(&["migrate"]);
    assert!(
        code == 4 && output.contains(&place) && output.contains("theirs/ca.pem"),
        "{code} {output}"
    );
    assert_broken(
        &with(ours.ca(), ""),
        "postgres",
        "postgres-reach",
        "certificate",
        "postgres.certificate",
    );

    // The name in the certificate is 127.0.0.1 and localhost.
    let other = with(ours.ca(), &pair);
    let text = std::fs::read_to_string(other.file()).unwrap();
    std::fs::write(
        other.file(),
        text.replace("host = \"127.0.0.1\"", "host = \"127.0.0.2\""),
    )
    .unwrap();
    let (verdict, why, _) = support::finding(&other, "postgres-reach", "postgres");
    assert!(verdict == "broken", "{why}");

    let plain = support::postgres().await;
    let no_tls = BinaryFixture::new(
        &section(plain.port(), "database = \"postgres\"").replace("tls = \"off\"", "tls = \"verify-full\""),
    );
    assert_broken(
        &no_tls,
        "postgres",
        "postgres-reach",
        "does not support TLS",
        "postgres.tls",
    );
}

#[tokio::test]
async fn roles_that_a_restore_left_unset_are_reported_and_migrate_sets_them_up() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "restored").await;
    let setup = on_database(server.port(), "restored");
    assert_well(&setup, "postgres", "postgres-roles");
    let owner = client(&url).await;
    owner
        .batch_execute(
            "alter role fleetledger_reader in database restored reset statement_timeout;
             alter role fleetledger_evaluate in database restored set search_path = ledger",
        )
        .await
        .unwrap();
    for why in [
        "fleetledger_reader has statement_timeout unset and not statement_timeout=60s",
        "fleetledger_evaluate has search_path=ledger and not search_path=fleet",
    ] {
        assert_broken(&setup, "postgres", "postgres-roles", why, "fleetledger migrate");
    }
    let (code, output) = setup.run_to_text(&["migrate"]);
    assert_eq!(code, 0, "{output}");
    assert_well(&setup, "postgres", "postgres-roles");

    owner
        .batch_execute("drop policy if exists team on ledger.team_role; do $$ declare one record; begin
            for one in select policyname from pg_policies where schemaname = 'ledger' and tablename = 'team_role' loop
                execute format('drop policy %I on ledger.team_role', one.policyname);
            end loop; end $$")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        "postgres-roles",
        "lost their row-level security policies: team_role",
        "operating.md",
    );
}

#[tokio::test]
async fn logins_that_could_fill_the_disk_or_take_every_connection_are_reported() {
    let server = support::postgres().await;
    let superuser = client(&server.url_of("postgres")).await;
    superuser
        .batch_execute(
            "create role keeper login createrole; grant pg_signal_backend, pg_read_all_stats to keeper",
        )
        .await
        .unwrap();
    superuser
        .batch_execute("create database kept owner keeper")
        .await
        .unwrap();
    let setup = BinaryFixture::new(&format!(
        "[postgres]\nurl = \"postgres://keeper@127.0.0.1:{}/kept\"\ntls = \"off\"\n",
        server.port()
    ));
    let migrate = || {
        let (code, output) = setup.run_to_text(&["migrate"]);
        assert_eq!(code, 0, "{output}");
    };
    migrate();
    // An owner that is no superuser cannot set it, and says who can.
    let files = "postgres-temporary-files";
    assert_broken(
        &setup,
        "postgres",
        files,
        "fleetledger_reader",
        "grant set on parameter temp_file_limit to keeper",
    );
    superuser
        .batch_execute("grant set on parameter temp_file_limit to keeper")
        .await
        .unwrap();
    migrate();
    assert_well(&setup, "postgres", files);

    let connections = "postgres-connection-limits";
    assert_well(&setup, "postgres", connections);
    superuser
        .batch_execute("create role ada login in role fleetledger_select")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        connections,
        "ada may take every connection",
        "connection limit",
    );
    superuser
        .batch_execute("alter role ada connection limit 150")
        .await
        .unwrap();
    assert_broken(
        &setup,
        "postgres",
        connections,
        "215 of 197 connections",
        "max_connections",
    );
    superuser
        .batch_execute("alter role ada connection limit 10; grant ada to keeper with admin option")
        .await
        .unwrap();
    assert_well(&setup, "postgres", connections);
    // Whoever may set her up does: her sessions have the reader's limits.
    migrate();
    let ada = client(&format!("postgres://ada@127.0.0.1:{}/kept", server.port())).await;
    let limit = ada.query_one("show statement_timeout", &[]).await.unwrap();
    assert_eq!(limit.get::<_, String>(0), "1min");
}
