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

/// Columns of the narrowest terminal, less one for the cursor.
const COLUMNS: usize = 79;

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
    firing: i64,
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
                (select count(*) from fleet.dead_letter where state = 'open') as dead,
                (select count(*) from fleet.alert where condition = 'firing' and labels ->> 'severity' <> 'info') as firing";

impl DemoFigures {
    /// The figures as one line that a terminal holds: what matters least is left out where it would be longer.
    fn line(&self, seconds: i64, rate: i64) -> String {
        let mut parts = vec![
            format!("{:02}:{:02}", seconds / 60, seconds % 60),
            format!("clusters {} fresh", self.fresh),
            format!("pods {}", count(self.pods)),
            format!("firing {}", count(self.firing)),
            format!("balanced {}/{}", self.balanced, self.compared),
            format!("lag {}", count(self.lag)),
            format!("{rate}/s"),
            format!("dead {}", count(self.dead)),
            format!("nodes {}", count(self.nodes)),
        ];
        loop {
            let line = parts.join("  ");
            if line.chars().count() <= COLUMNS || parts.pop().is_none() {
                return line;
            }
        }
    }
}

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
        if let Some(notifications) = &handout.notifications {
            println!(
                "\nIncidents come back every half hour (docs/quick-start.md tells the story). The demo's own receiver is notified:\neach line below with a time is an alert, and stands in {} too.",
                notifications.display()
            );
        }
        if let Some(run_for) = self.run_for {
            println!("\nrunning for {} s, then checking\n", run_for.as_secs());
            return;
        }
        self.ask();
    }

    /// Prints the questions.
    pub(super) fn ask(&self) {
        self.print("\nTen questions to paste into psql (\\d shows the views, \\d+ pod explains one):\n");
        for question in questions::QUESTIONS {
            println!("-- {}\n{}\n", question.asks, question.sql);
        }
        match self.live {
            true => println!("Enter shows the questions again; Ctrl-C stops it.\n"),
            false => println!("Ctrl-C stops it.\n"),
        }
    }

    /// Prints a line above the figures.
    pub(super) fn print(&self, line: &str) {
        if self.live {
            print!("\r\x1b[K");
        }
        println!("{line}");
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
        figures.line(seconds, rate)
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
            firing: row.get("firing"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_into_a_terminal_and_the_least_important_ones_go_first() {
        let figures = |pods: i64| DemoFigures {
            at: Instant(0),
            fresh: 3,
            nodes: 90,
            pods,
            delivered: 0,
            lag: 0,
            balanced: 15,
            compared: 15,
            dead: 4,
            firing: 7,
        };
        assert_eq!(
            figures(1_534).line(65, 45),
            "01:05  clusters 3 fresh  pods 1,534  firing 7  balanced 15/15  lag 0  45/s"
        );
        for (pods, seconds, rate) in [(999_999_999, 999_999, 999_999), (1, 0, 0)] {
            let line = figures(pods).line(seconds, rate);
            assert!(
                line.len() <= COLUMNS && line.contains("clusters 3 fresh"),
                "{line}"
            );
        }
    }
}
