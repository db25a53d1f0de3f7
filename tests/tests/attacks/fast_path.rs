//! Calls by the fast path of the protocol, which are no statements, end like queries.

use std::time::{Duration, Instant};

use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts,
    program::LedgerProcess,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_postgres::config::Host;

use crate::login::team;

/// `pg_catalog.pg_sleep(double precision)`, in every version.
const PG_SLEEP: i32 = 2626;
/// A session beyond its limit of a second is looked for every five, and ended fifteen later.
const ENDED: Duration = Duration::from_secs(60);

/// A session that speaks the protocol itself.
struct RawSession(TcpStream);

impl RawSession {
    async fn open(database: &LedgerDatabase, user: &str) -> Self {
        let config = database.owner.config();
        let [Host::Tcp(host)] = config.get_hosts() else {
            panic!("{config:?}")
        };
        let stream = TcpStream::connect((host.as_str(), config.get_ports()[0]))
            .await
            .unwrap();
        let mut session = Self(stream);
        let parameters = format!("user\0{user}\0database\0{}\0\0", config.get_dbname().unwrap());
        let mut start = 196_608_i32.to_be_bytes().to_vec();
        start.extend_from_slice(parameters.as_bytes());
        session.0.write_all(&length(&start)).await.unwrap();
        session.0.write_all(&start).await.unwrap();
        session.until_ready().await.unwrap();
        session
    }

    /// Sends one message and waits until the server is ready again: `Ok(false)` after an error, `Err` where it hung up.
    async fn send(&mut self, kind: u8, body: &[u8]) -> Result<bool, std::io::Error> {
        self.0.write_all(&[kind]).await?;
        self.0.write_all(&length(body)).await?;
        self.0.write_all(body).await?;
        self.until_ready().await
    }

    async fn query(&mut self, sql: &str) -> Result<bool, std::io::Error> {
        self.send(b'Q', format!("{sql}\0").as_bytes()).await
    }

    /// Calls `pg_sleep` without a statement.
    async fn sleep(&mut self, seconds: f64) -> Result<bool, std::io::Error> {
        let mut body = PG_SLEEP.to_be_bytes().to_vec();
        for count_or_format in [1_i16, 1, 1] {
            body.extend_from_slice(&count_or_format.to_be_bytes());
        }
        body.extend_from_slice(&8_i32.to_be_bytes());
        body.extend_from_slice(&seconds.to_be_bytes());
        body.extend_from_slice(&0_i16.to_be_bytes());
        self.send(b'F', &body).await
    }

    async fn until_ready(&mut self) -> Result<bool, std::io::Error> {
        let mut is_good = true;
        loop {
            let kind = self.0.read_u8().await?;
            let size = usize::try_from(self.0.read_i32().await? - 4).unwrap();
            let mut body = vec![0; size];
            self.0.read_exact(&mut body).await?;
            match kind {
                b'E' => is_good = false,
                b'Z' => return Ok(is_good),
                _ => {}
            }
        }
    }
}

fn length(body: &[u8]) -> [u8; 4] {
    (i32::try_from(body.len()).unwrap() + 4).to_be_bytes()
}

#[tokio::test]
async fn a_call_by_the_fast_path_and_a_transaction_of_them_are_ended() {
    let test = "a_call_by_the_fast_path_and_a_transaction_of_them_are_ended";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let database = parts.database().await;
    let folder = tempfile::tempdir().unwrap();
    let toml = format!(
        "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [evaluate]\nrules = \"{}\"\nreader_limit_seconds = 1\n",
        database
            .owner_url
            .replacen("fleetledger@", "fleetledger_evaluate@", 1),
        folder.path().display()
    );
    let evaluator = LedgerProcess::start(&["evaluate"], &toml, &[]);
    eventually("the evaluator works", ENDED, || {
        let log = evaluator.log_text();
        async move { ensure(log.contains("listen="), || log) }
    })
    .await;
    drop(team(&database, "red").await);
    let mut attempts = 0;
    for user in ["fleetledger_reader", "fleetledger_team_red"] {
        let lift = "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0";
        let mut long = RawSession::open(&database, user).await;
        assert!(long.query(lift).await.unwrap());
        let asked = Instant::now();
        assert!(!long.sleep(600.0).await.unwrap_or(false), "{user}: it slept on");
        assert!(asked.elapsed() < ENDED, "{user}: {:?}", asked.elapsed());

        let mut tiny = RawSession::open(&database, user).await;
        assert!(tiny.query(lift).await.unwrap() && tiny.query("begin").await.unwrap());
        let asked = Instant::now();
        while tiny.sleep(0.05).await.unwrap_or(false) {
            assert!(asked.elapsed() < ENDED, "{user}: the transaction lives on");
        }
        attempts += 2;
    }
    println!("{attempts} attempts to outlast the limit by the fast path, all ended");
}
