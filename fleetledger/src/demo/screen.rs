//! What the demo shows: where to connect, what to ask, and live figures.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::Context as _;
use fleetledger_schema::instant::Instant;
use tokio_postgres::Client;

use super::{broker::DemoBroker, handout::DemoHandout, questions};
use crate::output::count;

/// Where nobody watches, one line in this many ticks.
const TICKS_A_LINE: u32 = 5;

/// The screen.
pub(super) struct DemoScreen {
    client: Client,
    since: Instant,
    run_for: Option<Duration>,
    live: bool,
    ticks: u32,
    last: Option<(Instant, i64)>,
}

/// Figures of one moment.
struct DemoFigures {
    at: Instant,
    fresh: i64,
    nodes: i64,
    pods: i64,
    delivered: i64,
    lag: i64,
    balanced: i64,
    compared: i64,
    dead: i64,
}

/// The figures of the screen, since an instant.
const READ_FIGURES: &str = "
            select clock_timestamp() as at,
                (select count(*) from fleet.cluster where state = 'fresh') as fresh,
                (select count(*) from fleet.node) as nodes,
                (select count(*) from fleet.pod) as pods,
                (select coalesce(sum(delivered), 0)::bigint from fleet.batch where committed_at >= $1) as delivered,
                (select coalesce(sum(lag), 0)::bigint from fleet.ingest_partition) as lag,
                (select count(*) from fleet.balance where balanced) as balanced,
                (select count(*) from fleet.balance) as compared,
                (select count(*) from fleet.dead_letter where state = 'open') as dead";

impl DemoScreen {
    pub(super) fn new(client: Client, since: Instant, run_for: Option<Duration>) -> Self {
        Self {
            client,
            since,
            run_for,
            live: std::io::stdout().is_terminal(),
            ticks: 0,
            last: None,
        }
    }

    /// When this run began, by the database's clock.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn welcome(
        &self,
        reader_url: &str,
        broker: &DemoBroker,
        metrics: &str,
        console: Option<&str>,
        handout: &DemoHandout,
    ) {
        println!();
        if let Some(console) = console {
            println!("console     {console}/");
        }
        println!("PostgreSQL  psql {reader_url}");
        println!("Kafka       {}", broker.describe());
        println!("metrics     {metrics}");
        println!("datacenters {}, simulated", super::plan::DATACENTERS.join(", "));
        println!("questions   {}", handout.questions.display());
        println!("\nIn another terminal, these let every command work on this demo:\n");
        println!("  {}\n", export(reader_url, handout));
        println!("  fleetledger status        fleetledger alerts list");
        println!(
            "  fleetledger sql           fleetledger cost --window today --by team   (after a minute or so)"
        );
        if let Some(run_for) = self.run_for {
            println!("\nrunning for {} s, then checking\n", run_for.as_secs());
            return;
        }
        println!("\nTen questions to paste into psql (\\d shows the views, \\d+ pod explains one):\n");
        for question in questions::QUESTIONS {
            println!("-- {}\n{}\n", question.asks, question.sql);
        }
        println!("Ctrl-C stops it.\n");
    }

    /// One line of figures.
    pub(super) async fn show(&mut self) -> anyhow::Result<()> {
        self.ticks += 1;
        if !self.live && self.ticks % TICKS_A_LINE != 1 {
            return Ok(());
        }
        let figures = self.read().await?;
        let line = self.line(&figures);
        self.last = Some((figures.at, figures.delivered));
        if self.live {
            // Without wrapping: a line that is longer than the terminal would push the questions up, once a tick.
            print!("\r\x1b[K\x1b[?7l{line}\x1b[?7h");
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
        Ok(())
    }

    fn line(&self, figures: &DemoFigures) -> String {
        let seconds = figures.at.micros_since(self.since) / 1_000_000;
        let rate = self.last.map_or(0, |(at, delivered)| {
            (figures.delivered - delivered) * 1_000_000 / figures.at.micros_since(at).max(1)
        });
        format!(
            "{:02}:{:02}  clusters {} fresh  nodes {}  pods {}  {rate}/s  lag {}  balanced {}/{}  dead {}",
            seconds / 60,
            seconds % 60,
            figures.fresh,
            count(figures.nodes),
            count(figures.pods),
            count(figures.lag),
            figures.balanced,
            figures.compared,
            count(figures.dead),
        )
    }

    async fn read(&self) -> anyhow::Result<DemoFigures> {
        let row = self
            .client
            .query_one(READ_FIGURES, &[&self.since])
            .await
            .context("read the demo's figures")?;
        Ok(DemoFigures {
            at: row.get("at"),
            fresh: row.get("fresh"),
            nodes: row.get("nodes"),
            pods: row.get("pods"),
            delivered: row.get("delivered"),
            lag: row.get("lag"),
            balanced: row.get("balanced"),
            compared: row.get("compared"),
            dead: row.get("dead"),
        })
    }
}

/// One line for a shell: the configuration, and what docs/writing-a-rule.md types; the way to the program where no shell
/// would find it.
fn export(reader_url: &str, handout: &DemoHandout) -> String {
    let mut line = format!(
        "export FLEETLEDGER_CONFIG={} FLEETLEDGER_URL={reader_url}",
        handout.config.display()
    );
    if let Some(rules) = &handout.rules {
        line += &format!(" RULES={}", rules.display());
    }
    let program = std::env::current_exe().ok();
    if let Some(folder) = program.as_deref().and_then(std::path::Path::parent) {
        line += &format!(" PATH=\"{}:$PATH\"", folder.display());
    }
    line
}
