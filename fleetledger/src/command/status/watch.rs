//! `status --watch`: the same again and again, in place on a terminal.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use fleetledger_schema::postgres::PostgresConnector;
use tokio_postgres::Client;

use super::look;
use crate::{
    cli::OutputFormat, config::LoadedConfig, connect::hop::chain, exit::ExitReason, output::print_text,
    setup::database, shutdown::StopSignals,
};

/// To the first place of the screen.
const HOME: &str = "\x1b[H";
/// Clears the rest of a line, and of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// Clears the whole screen.
const CLEAR_SCREEN: &str = "\x1b[2J";

/// Looks every `pause` until SIGINT or SIGTERM, and ends as done. What cannot be reached at first ends it, as without
/// `--watch`; what goes away later is waited for, and said.
pub(super) async fn run(
    loaded: &LoadedConfig,
    format: OutputFormat,
    pause: Duration,
) -> anyhow::Result<ExitReason> {
    let mut signals = StopSignals::listen()?;
    let in_place = io::stdout().is_terminal() && matches!(format, OutputFormat::Table | OutputFormat::Wide);
    let mut session = tokio::select! {
        session = database(loaded, "fleetledger-status") => Some(session?),
        _ = signals.arrived() => return Ok(ExitReason::Done),
    };
    if in_place {
        print_text(CLEAR_SCREEN)?;
    }
    for number in 0_u64.. {
        let block = tokio::select! {
            block = next(loaded, &mut session, format) => block,
            _ = signals.arrived() => break,
        };
        let text = match in_place {
            true => frame(&block, pause),
            false => format!("{}{block}", separator(format, number)),
        };
        print_text(&text)?;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = signals.arrived() => break,
        }
    }
    Ok(ExitReason::Done)
}

/// What there is to say now: how everything stands, or why nobody can tell.
async fn next(
    loaded: &LoadedConfig,
    session: &mut Option<(PostgresConnector, Client)>,
    format: OutputFormat,
) -> String {
    match try_next(loaded, session, format).await {
        Ok(text) => text,
        Err(error) => {
            *session = None;
            let why = format!("fleetledger: {}; trying again\n", chain(error.as_ref()));
            match format {
                OutputFormat::Table | OutputFormat::Wide => why,
                _ => {
                    eprint!("{why}");
                    String::new()
                }
            }
        }
    }
}

async fn try_next(
    loaded: &LoadedConfig,
    session: &mut Option<(PostgresConnector, Client)>,
    format: OutputFormat,
) -> anyhow::Result<String> {
    if session.is_none() {
        *session = Some(database(loaded, "fleetledger-status").await?);
    }
    let Some((connector, client)) = session else {
        return Ok(String::new());
    };
    Ok(look(connector, client, format).await?.0)
}

/// A block over the one before, without a screen that flickers.
fn frame(block: &str, pause: Duration) -> String {
    let mut out = HOME.to_owned();
    for line in block.lines() {
        out.push_str(&format!("{line}{CLEAR_LINE}\n"));
    }
    let foot = format!(
        "\nevery {} s; Ctrl-C ends it{CLEAR_LINE}\n{CLEAR_BELOW}",
        pause.as_secs()
    );
    out.push_str(&foot);
    out
}

/// What stands between one answer and the next.
fn separator(format: OutputFormat, number: u64) -> &'static str {
    match (number, format) {
        (0, _) | (_, OutputFormat::Json) => "",
        (_, OutputFormat::Yaml) => "---\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_covers_the_one_before_it() {
        let text = frame("one\ntwo\n", Duration::from_secs(2));
        assert_eq!(
            text,
            "\x1b[Hone\x1b[K\ntwo\x1b[K\n\nevery 2 s; Ctrl-C ends it\x1b[K\n\x1b[J"
        );
    }

    #[test]
    fn answers_of_a_stream_are_separated() {
        assert_eq!(separator(OutputFormat::Table, 0), "");
        assert_eq!(separator(OutputFormat::Table, 1), "\n");
        assert_eq!(separator(OutputFormat::Yaml, 1), "---\n");
    }
}
