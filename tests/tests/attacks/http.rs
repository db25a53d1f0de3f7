//! Clients of the HTTP listeners that are silent, slow, strange or not who they say.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts,
    program::LedgerProcess,
};
use tempfile::TempDir;

use crate::site::LIMIT;

const TOKENS: [(&str, &str); 2] = [("viewer", "viewer-secret"), ("operator", "operator-secret")];

/// A console of a database of its own.
struct AttackedConsole {
    process: LedgerProcess,
    console: SocketAddr,
    health: SocketAddr,
    _folder: TempDir,
}

impl AttackedConsole {
    async fn start(database: &LedgerDatabase, has_tokens: bool) -> Self {
        database
            .execute("alter role fleetledger_evaluate login; alter role fleetledger_reader login")
            .await;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("queries")).unwrap();
        let mut toml = format!(
            "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [evaluate]\nrules = \"{}\"\n[console]\nlisten = \"127.0.0.1:0\"\nrunbooks = \"{}\"\n",
            database
                .owner_url
                .replacen("fleetledger@", "fleetledger_evaluate@", 1),
            at("queries"),
            at("queries"),
        );
        for (role, token) in TOKENS {
            std::fs::write(at(role), token).unwrap();
            if has_tokens {
                toml += &format!(
                    "[console.tokens.{role}]\nrole = \"{role}\"\ntoken = \"file:{}\"\n",
                    at(role)
                );
            }
        }
        let process = LedgerProcess::start(&["console"], &toml, &[]);
        let listeners = || -> Vec<SocketAddr> {
            let log = process.log_text();
            let named = log.split("listen=").skip(1);
            named
                .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
                .collect()
        };
        eventually("the console listens", LIMIT, || async {
            ensure(listeners().len() >= 2, || process.log_text())
        })
        .await;
        let found = listeners();
        Self {
            console: found[0],
            health: found[1],
            process,
            _folder: folder,
        }
    }

    /// The whole answer to a request that is sent as it stands.
    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // One that is cut off has still answered.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn status(answer: &str) -> u16 {
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        Self::ask(self.console, &request)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_while_500_clients_of_each_listener_are_silent() {
    let Some(parts) = parts::shared("health_is_answered_while_500_clients_of_each_listener_are_silent").await
    else {
        return;
    };
    let database = parts.database().await;
    let mut place = AttackedConsole::start(&database, true).await;
    let beginnings = [
        "",
        "GET /livez HTT",
        "POST /api/v1/rules/run HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer operator-secret\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
    ];
    let mut silent = Vec::new();
    for number in 0..500 {
        for address in [place.console, place.health] {
            let mut stream = TcpStream::connect(address).unwrap();
            let beginning = if address == place.console {
                number % 3
            } else {
                number % 2
            };
            stream.write_all(beginnings[beginning].as_bytes()).unwrap();
            silent.push(stream);
        }
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        for (address, path) in [
            (place.health, "/livez"),
            (place.health, "/metrics"),
            (place.console, "/api/openapi.json"),
        ] {
            let begun = Instant::now();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answer = AttackedConsole::ask(address, &request);
            assert_eq!(AttackedConsole::status(&answer), 200, "{path}: {answer}");
            slowest = slowest.max(begun.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    println!(
        "attempts: {} silent clients, slowest of 150 answers {slowest:?}",
        silent.len()
    );
    place.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_without_tokens_does_nothing_for_other_sites() {
    let Some(parts) = parts::shared("a_console_without_tokens_does_nothing_for_other_sites").await else {
        return;
    };
    let database = parts.database().await;
    let mut place = AttackedConsole::start(&database, false).await;
    let port = place.console.port();
    let own = [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
    ];
    for host in &own {
        let answer = place.get("/api/v1/snoozes", &format!("Host: {host}\r\n"));
        assert_eq!(AttackedConsole::status(&answer), 200, "{answer}");
        let answer = place.get("/", &format!("Host: {host}\r\nOrigin: http://{host}\r\n"));
        assert_eq!(AttackedConsole::status(&answer), 200, "{answer}");
        for header in ["x-content-type-options: nosniff", "cache-control: no-store"] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
    }
    let body = r#"{"matchers":["alertname=X"],"for_seconds":60,"reason":"attack"}"#;
    let post = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut attempts = 0;
    for host in [
        "evil.example.com",
        "127.0.0.1.evil.example.com",
        "localhost.evil.example.com:80",
        "10.0.0.1",
        "[::2]",
        "",
    ] {
        for method in [
            "GET /api/v1/rules",
            "POST /api/v1/snoozes",
            "DELETE /api/v1/snoozes/1",
            "GET /",
            "POST /api/v1/cost/rerate",
        ] {
            let request =
                format!("{method} HTTP/1.1\r\nHost: {host}\r\n{post}Connection: close\r\n\r\n{body}");
            let status = AttackedConsole::status(&AttackedConsole::ask(place.console, &request));
            assert!(matches!(status, 400 | 421), "{method} of {host}: {status}");
            attempts += 1;
        }
    }
    for origin in [
        "http://evil.example.com",
        "null",
        "http://localhost:3000",
        "https://localhost",
        "file://",
    ] {
        let request = format!(
            "POST /api/v1/snoozes HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\n{post}Connection: close\r\n\r\n{body}"
        );
        let answer = AttackedConsole::ask(place.console, &request);
        assert_eq!(AttackedConsole::status(&answer), 403, "{origin}: {answer}");
        attempts += 1;
    }
    assert_eq!(database.number("select count(*) from ledger.snooze").await, 0);
    println!("attempts: {attempts}, 0 answered, 0 snoozes");
    place.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_judged_before_a_body_is_read_and_a_wrong_one_waits() {
    let Some(parts) = parts::shared("a_token_is_judged_before_a_body_is_read_and_a_wrong_one_waits").await
    else {
        return;
    };
    let database = parts.database().await;
    let mut place = AttackedConsole::start(&database, true).await;
    let routes = [
        ("POST", "/api/v1/snoozes", 403),
        ("POST", "/api/v1/alerts/ack", 403),
        ("POST", "/api/v1/alerts/drill", 403),
        ("POST", "/api/v1/rules/run", 403),
        ("POST", "/api/v1/cost/book", 403),
        ("POST", "/api/v1/cost/months", 403),
        ("POST", "/api/v1/cost/rerate", 403),
    ];
    let mut attempts = 0;
    for (method, path, expected) in routes {
        // A body of a megabyte is promised and never sent.
        for (token, expected) in [("viewer-secret", expected), ("nobody", 401)] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: 1000000\r\nConnection: close\r\n\r\n"
            );
            let begun = Instant::now();
            let answer = AttackedConsole::ask(place.console, &request);
            assert_eq!(
                AttackedConsole::status(&answer),
                expected,
                "{path} {token}: {answer}"
            );
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(10), "{path} {token}: {took:?}");
            assert!(token != "nobody" || took >= Duration::from_secs(1), "{took:?}");
            attempts += 1;
        }
    }
    // What is not there is not there, whoever asks, and no fault of the database.
    let known = "Host: x\r\nAuthorization: Bearer operator-secret\r\n";
    let absent = [
        "/api/v1/alerts/a%00/b",
        "/api/v1/alerts/a/b",
        "/api/v1/rules/%00",
        "/api/v1/rules/%ff",
        "/api/v1/rules/a%0ab",
        "/api/v1/reports/..%2f..%2fetc%2fpasswd",
        "/runbooks/..%2f..%2f..%2fetc%2fpasswd",
        "/runbooks/.hidden",
        "/runbooks/%00",
        "/rules/nobody",
        "/alerts/a/b",
        "/api/v2",
        "/livez",
        "/metrics",
    ];
    for path in absent {
        let answer = place.get(path, known);
        let status = AttackedConsole::status(&answer);
        assert!(
            status == 404 || (path.contains("%ff") && status == 400),
            "{path}: {answer}"
        );
        attempts += 1;
    }
    for id in ["abc", "0", "-1", "99999999999999999999", "1%00"] {
        let request = format!("DELETE /api/v1/snoozes/{id} HTTP/1.1\r\n{known}Connection: close\r\n\r\n");
        let answer = AttackedConsole::ask(place.console, &request);
        assert_eq!(AttackedConsole::status(&answer), 404, "{id}: {answer}");
        attempts += 1;
    }
    let body = r#"{"matchers":["alertname=X"],"for_seconds":60,"reason":"a\u0000b"}"#;
    let request = format!(
        "POST /api/v1/snoozes HTTP/1.1\r\n{known}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = AttackedConsole::ask(place.console, &request);
    assert_eq!(AttackedConsole::status(&answer), 400, "{answer}");
    // A query whose answer would take all memory.
    let body = r#"{"file":"x.sql","text":"/*---\nreport: large\n---*/\nselect repeat('x', 1000000) as large from generate_series(1, 500)\n"}"#;
    let request = format!(
        "POST /api/v1/rules/run HTTP/1.1\r\n{known}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = AttackedConsole::ask(place.console, &request);
    assert!(
        AttackedConsole::status(&answer) == 422 && answer.contains("MiB") && answer.len() < 10_000,
        "{}",
        answer.chars().take(1_000).collect::<String>()
    );
    attempts += 2;
    let metrics = AttackedConsole::ask(
        place.health,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert!(
        metrics.contains("fleetledger_console_failed_logins_total 7"),
        "{metrics}"
    );
    let log = place.process.log_text();
    assert!(
        log.contains("a request with an unknown token") && !log.contains("-secret"),
        "{log}"
    );
    println!("attempts: {attempts}, 0 answered that should not be");
    place.process.stop().await;
}
