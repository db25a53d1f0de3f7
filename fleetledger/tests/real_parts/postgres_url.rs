//! `--postgres` with the parameters that users of psql know, against a PostgreSQL that speaks TLS and asks for certificates.

use fleetledger_local::{
    postgres::{LocalPostgres, SUPERUSER},
    tls::CertificateAuthority,
};

use crate::support::{BinaryFixture, cache};

const REPORT: &str = "/*---\nreport: A\ndescription: a\n---*/\nselect count(*) as clusters from cluster\n";

#[tokio::test]
async fn a_url_reaches_a_server_over_tls_and_a_wrong_authority_is_refused() {
    let setup = BinaryFixture::new("");
    let folder = setup.folder.path();
    let ours = CertificateAuthority::create(&folder.join("ours"), "ours").unwrap();
    let theirs = CertificateAuthority::create(&folder.join("theirs"), "theirs").unwrap();
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .tls(ours.server("postgres").unwrap(), true)
        .start(&cache())
        .await
        .unwrap();
    let client = ours.client("fleetledger").unwrap();
    let (certificate, key) = (client.certificate.display(), client.key.display());
    let section = format!(
        "[postgres]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{SUPERUSER}\"\ndatabase = \"postgres\"\nca = \"{}\"\n\
         certificate = \"{certificate}\"\nkey = \"{key}\"\n",
        server.port(),
        ours.ca().display()
    );
    let owner = BinaryFixture::new(&section);
    let (code, said) = owner.run_to_text(&["migrate"]);
    assert_eq!(code, 0, "{said}");
    let file = folder.join("reports/a.sql");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, REPORT).unwrap();
    let file = file.to_str().unwrap();
    let address = format!(
        "postgres://fleetledger_reader@127.0.0.1:{}/postgres",
        server.port()
    );
    let run = |parameters: &str| {
        let url = format!("{address}{parameters}");
        setup.run_to_text(&["rules", "run", file, "--postgres", &url, "-o", "csv"])
    };
    let pair = format!("&sslcert={certificate}&sslkey={key}");

    for mode in ["verify-full", "verify-ca", "require"] {
        let (code, said) = run(&format!(
            "?sslmode={mode}&sslrootcert={}{pair}",
            ours.ca().display()
        ));
        assert_eq!((code, said.as_str()), (0, "clusters\r\n0\r\n"), "{mode}");
    }
    let checked = setup.run_to_text(&[
        "rules",
        "check",
        file,
        "--postgres",
        &format!(
            "{address}?sslmode=verify-full&sslrootcert={}{pair}",
            ours.ca().display()
        ),
    ]);
    assert!(
        checked.0 == 0 && checked.1.contains("1 file is good"),
        "{checked:?}"
    );
    let said = [
        (
            format!("?sslmode=verify-full&sslrootcert={}{pair}", theirs.ca().display()),
            4,
            "not signed by",
        ),
        (
            format!("?sslmode=verify-full&sslrootcert={}", ours.ca().display()),
            4,
            "sslcert and sslkey",
        ),
        ("?sslmode=require".to_owned(), 5, "does not check who answers"),
        ("?sslmode=disable".to_owned(), 4, "pg_hba"),
    ];
    for (parameters, wanted, words) in said {
        let (code, text) = run(&parameters);
        println!("{parameters}: {}", text.trim());
        assert!(
            code == wanted && text.contains(words),
            "{parameters}: {code} {text}"
        );
    }
    let url = format!(
        "{address}?sslmode=verify-full&sslrootcert={}{pair}",
        ours.ca().display()
    );
    let rule = folder.join("alerts/known.sql");
    std::fs::create_dir_all(rule.parent().unwrap()).unwrap();
    std::fs::write(&rule, crate::output::RULE).unwrap();
    let backtest = [
        "rules",
        "backtest",
        rule.to_str().unwrap(),
        "--from",
        "2026-01-01T00:00:00Z",
        "--to",
        "2026-01-01T00:02:00Z",
        "--postgres",
        &url,
    ];
    let (code, text) = setup.run_to_text(&backtest);
    assert!(
        code == 0 && text.contains("0 episodes of 0 instances"),
        "{code} {text}"
    );
    let run = |format: &str| setup.run_to_text(&[&backtest[..], &["-o", format]].concat()).1;
    crate::output::assert_same_in_every_format(run, &["episodes"]);
}
