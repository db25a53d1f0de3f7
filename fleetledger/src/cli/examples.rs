//! Examples that `--help` and the man pages show. A test parses each of them, and finds commands without one.

use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;

/// A line as somebody types it.
#[derive(Debug, Clone, Copy)]
pub struct CommandExample {
    /// The command it belongs to, such as `rules test`.
    pub command: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What is typed after `fleetledger`.
    pub line: &'static str,
}

macro_rules! examples {
    ($($command:literal: $($purpose:literal => $line:literal),+;)*) => {
        &[$($(CommandExample { command: $command, purpose: $purpose, line: $line }),+),*]
    };
}

/// Every example, by the command that it belongs to.
pub const EXAMPLES: &[CommandExample] = examples! {
    "demo":
        "The whole pipeline on this machine, until Ctrl-C" => "demo",
        "Without anybody watching: it checks itself and ends with 0" => "demo --for 60s",
        "With a larger fleet, a real Kafka and nothing kept of the last run" => "demo --size medium --kafka apache --fresh";
    "emit":
        "The emitter of the cluster that it runs in" => "--config emit.toml emit",
        "A dump of one cluster, with everything in it" => "--config emit.toml emit --source dump --directory dump --complete",
        "A must-gather without kube-system; what was sent as JSON" => "emit --source dump --directory must-gather --cluster-uid 0b6c5f6e-7e3c-4f0a-9a58-000000000001 -o json";
    "ingest":
        "The ingester; start as many as you like" => "--config ingest.toml ingest";
    "ingest resume":
        "Every halted partition, each from where it stopped" => "ingest resume --all",
        "A partition whose topic was made anew" => "ingest resume fleetledger.pod 3 --from-start";
    "ingest release":
        "End quarantine 7, then land what was put aside" => "ingest release 7";
    "evaluate":
        "The evaluator" => "--config evaluate.toml evaluate";
    "console":
        "The console" => "--config evaluate.toml console";
    "central":
        "Ingester, evaluator and console in one process" => "--config central.toml central";
    "alerts list":
        "Everything that is pending, firing or recovering" => "alerts list",
        "What fires in one datacenter" => "alerts list datacenter=dfw --condition firing",
        "One alert by name, for a script" => "alerts list NodeNotReady -o json";
    "alerts show":
        "One alert with its rule and its history" => "alerts show NodeNotReady cluster=prod-1 node=n17";
    "alerts snooze":
        "Silent for two hours" => "alerts snooze NodeNotReady node=n17 --for 2h --reason 'disk is being replaced'",
        "Planned work on Saturday night" => "alerts snooze cluster=prod-1 --for 4h --from 2026-12-05T22:00:00Z --reason upgrade";
    "alerts snoozes":
        "Snoozes that have not ended" => "alerts snoozes";
    "alerts unsnooze":
        "End snooze 12 now" => "alerts unsnooze 12";
    "alerts ack":
        "Say that you take care of it" => "alerts ack NodeNotReady node=n17 --reason 'on it'";
    "alerts drill":
        "See whether a receiver is reached" => "alerts drill pagerduty";
    "cost":
        "The last seven days by team" => "cost",
        "Today by namespace within one cluster" => "cost --window today --by namespace --filter 'cluster:\"prod-1\"'",
        "Last month a day at a time, for a spreadsheet" => "cost --window lastmonth --step 1d --shared -o csv";
    "cost check":
        "Files that are still being edited" => "cost check prices/";
    "cost apply":
        "Make prices, owners and sharing of a folder current" => "cost apply prices/";
    "cost close":
        "Close a month" => "cost close 2026-04";
    "cost rerate":
        "Rate two days again" => "cost rerate --from 2026-04-01T00:00:00Z --to 2026-04-03T00:00:00Z",
        "Rate the last six hours again" => "cost rerate --from 6h --to now";
    "migrate":
        "Bring the database to this version" => "--config owner.toml migrate";
    "doctor":
        "Everything that can be broken in this set-up" => "doctor",
        "One hop, as JSON" => "doctor --only kafka -o json",
        "What is looked at" => "doctor --list";
    "status":
        "What is wrong, and the figures" => "status",
        "Again every two seconds" => "status --watch 2",
        "A line per cluster, for a script" => "status -o csv";
    "audit":
        "Compare every row with its content hash" => "audit",
        "The same, for a script" => "audit -o json";
    "clusters list":
        "All clusters with their freshness" => "clusters list",
        "With everything that is known of them" => "clusters list -o wide";
    "clusters rename":
        "A cluster that has moved" => "clusters rename dfw/prod-1 dfw/prod-blue";
    "clusters retire":
        "A cluster that is gone for good" => "clusters retire dfw/prod-1";
    "clusters admit":
        "A cluster that was refused" => "clusters admit dfw/prod-2",
        "One that was never heard of" => "clusters admit dfw/prod-3 0b6c5f6e-7e3c-4f0a-9a58-000000000001";
    "clusters forget":
        "Clusters that were taken in by mistake" => "clusters forget dfw/test-1 dfw/test-2";
    "clusters reset-epoch":
        "After an emitter's clock was far ahead" => "clusters reset-epoch dfw/prod-1";
    "teams list":
        "Teams with a role" => "teams list";
    "teams grant":
        "A role that sees the rows of one team" => "teams grant payments";
    "teams revoke":
        "Take it back" => "teams revoke payments";
    "dead-letters list":
        "By reason, cluster and topic" => "dead-letters list",
        "For a spreadsheet" => "dead-letters list -o csv";
    "dead-letters show":
        "One of them, decoded" => "dead-letters show 4711",
        "One of them as JSON" => "dead-letters show 4711 -o json";
    "dead-letters replay":
        "What a replay would do" => "dead-letters replay --dry-run",
        "After the repair of one cluster" => "dead-letters replay --cluster dfw/prod-1 --reason quarantined";
    "topics list":
        "The topics of this configuration, and whether Kafka has them" => "topics list";
    "topics create":
        "Create those that are missing" => "topics create";
    "rules check":
        "Every file of a folder" => "rules check queries/",
        "One file on your database, over TLS" => "rules check queries/alerts/node-not-ready.sql --postgres 'postgres://fleetledger_reader@db1/fleetledger?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem'",
        "Faults by file and line, for an editor" => "rules check queries/ -o json";
    "rules list":
        "What a folder holds" => "rules list queries/";
    "rules new":
        "An alert with its test and its runbook" => "rules new pods-waiting --kind alert";
    "rules test":
        "The tests of every rule" => "rules test queries/",
        "One rule, and whether its tests notice each change of it" => "rules test queries/alerts/node-not-ready.sql --mutate";
    "rules backtest":
        "How often a rule would have paged last week" => "rules backtest queries/alerts/node-not-ready.sql --from 7d --to now";
    "rules rebuild":
        "Windows of two days, after the rollup's file has changed" => "rules rebuild queries/rollups/cluster.sql --from 2026-11-01T00:00:00Z --to 2026-11-03T00:00:00Z";
    "rules run":
        "The rows of a file that is being written" => "rules run queries/alerts/node-not-ready.sql",
        "As they were an hour ago, as CSV" => "rules run queries/alerts/node-not-ready.sql --as-of 2026-11-17T14:00:00Z -o csv";
    "report":
        "The reports there are" => "report",
        "One of them, with a parameter" => "report what-changed-on-a-node --param node=n17",
        "Without the console, straight from the database" => "report fleet-overview --postgres postgres://fleetledger_reader@127.0.0.1/fleetledger -o csv";
    "sql":
        "psql, with names of schema fleet" => "sql",
        "psql on the fleet as of an instant" => "sql --as-of '2026-11-17 14:00+00'",
        "One statement without psql, as JSON" => "sql -c \"select pod, node from pod where team = 'payments'\" -o json",
        "Arguments of psql" => "sql -- --csv -f question.sql";
    "config check":
        "Whether it can be used, and how it counts" => "--config fleetledger.toml config check",
        "As JSON" => "config show -o json";
    "config reference":
        "Every key" => "config reference";
    "config init":
        "The configuration of an emitter, with comments" => "config init emit --to emit.toml",
        "All roles in one file, on standard output" => "config init --to -";
    "version":
        "Version, commit and date" => "version",
        "For a script" => "version -o json";
    "completions":
        "For this shell" => "completions bash";
    "man-pages":
        "Into a folder that man looks at" => "man-pages /usr/local/share/man/man1";
};

/// The command line's definition, with examples.
#[must_use]
pub fn command() -> Command {
    with_examples(Cli::command(), "")
}

/// Reads the command line of this process; ends it where that cannot be read, or help was asked for.
#[must_use]
pub fn parse() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

fn with_examples(command: Command, path: &str) -> Command {
    let below = |name: &str| format!("{path} {name}").trim().to_owned();
    let names: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let mut command = command;
    for name in &names {
        command = command.mut_subcommand(name, |one| with_examples(one, &below(name)));
    }
    let text = examples_of(path);
    match path.is_empty() || text.is_empty() {
        true => command,
        false => command.after_help(text),
    }
}

/// The examples of a command; of one that only groups others, the first example of each.
fn examples_of(path: &str) -> String {
    let own = EXAMPLES.iter().filter(|example| example.command == path);
    let inside = format!("{path} ");
    let mut seen = Vec::new();
    let below = EXAMPLES.iter().filter(|example| {
        let is_first = !seen.contains(&example.command);
        seen.push(example.command);
        is_first && example.command.starts_with(&inside)
    });
    let mut text = String::new();
    for example in own.chain(below) {
        text.push_str(&format!(
            "\n  # {}\n  $ fleetledger {}",
            example.purpose, example.line
        ));
    }
    match text.is_empty() {
        true => text,
        false => format!("Examples:{text}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Words of a line, as a shell splits it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in line.chars() {
            match (quote, letter) {
                (None, '\'' | '"') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (Some(open), _) if open == letter => quote = None,
                (None, ' ') => words.extend(word.take()),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        assert!(quote.is_none(), "a quote is open: {line}");
        words.extend(word);
        words
    }

    fn paths(command: &Command, before: &str, found: &mut Vec<String>) {
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let path = format!("{before} {}", one.get_name()).trim().to_owned();
            paths(one, &path, found);
            found.push(path);
        }
    }

    #[test]
    fn every_command_shows_examples_and_no_example_is_of_another() {
        let mut all = Vec::new();
        let command = command();
        paths(&command, "", &mut all);
        assert!(all.len() > 45, "{}", all.len());
        for path in &all {
            let mut one = &command;
            for name in path.split(' ') {
                one = one.find_subcommand(name).unwrap();
            }
            let help = one.clone().render_help().to_string();
            assert!(
                help.contains("Examples:\n  # ") && help.contains(&format!(" {path}")),
                "`{path} --help` shows no example: add one to cli/examples.rs\n{help}"
            );
        }
        let known: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        for example in EXAMPLES {
            assert!(
                known.contains(example.command),
                "there is no command `{}`",
                example.command
            );
        }
    }

    #[test]
    fn every_example_is_read_by_the_command_line_as_the_command_it_belongs_to() {
        for example in EXAMPLES {
            let line = std::iter::once("fleetledger".to_owned()).chain(words(example.line));
            let matches = command()
                .try_get_matches_from(line)
                .unwrap_or_else(|error| panic!("{}: {error}", example.line));
            Cli::from_arg_matches(&matches).unwrap();
            let (mut path, mut one) = (Vec::new(), &matches);
            while let Some((name, below)) = one.subcommand() {
                path.push(name);
                one = below;
            }
            assert_eq!(path.join(" "), example.command, "{}", example.line);
        }
        assert_eq!(words(r#"a 'b c' --d="e f""#), ["a", "b c", "--d=e f"]);
    }
}
