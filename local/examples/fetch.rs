//! Fetches and builds every part the tests start, so that no test waits for it: `make test` runs this.

use std::process::ExitCode;
use std::time::Instant;

use fleetledger_local::skip::unless_available;
use fleetledger_local::{
    ArtifactCache, LocalResult, alertmanager, kafka, kube_apiserver, kubectl, pgbouncer, postgres,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let mut code = ExitCode::SUCCESS;
    for part in [
        "PostgreSQL",
        "Apache Kafka",
        "Alertmanager",
        "PgBouncer",
        "kubectl",
        "kube-apiserver",
    ] {
        let started = Instant::now();
        match fetch(part, &cache).await {
            Ok(()) => println!("{part} is ready after {:.1} s", started.elapsed().as_secs_f64()),
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

async fn fetch(part: &str, cache: &ArtifactCache) -> LocalResult<()> {
    let fetched = match part {
        "PostgreSQL" => postgres::fetch(cache).await,
        "Apache Kafka" => kafka::fetch(cache).await,
        "Alertmanager" => alertmanager::fetch(cache).await,
        "kubectl" => kubectl::fetch(cache).await,
        "PgBouncer" => pgbouncer::fetch(cache).await,
        _ => kube_apiserver::fetch(cache).await,
    };
    unless_available(part, fetched).map(|_| ())
}
