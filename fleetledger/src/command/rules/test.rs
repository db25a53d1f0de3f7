//! `fleetledger rules test`.

use std::{
    fmt::Write as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use anyhow::Context as _;
use fleetledger_trials::{
    FileReport, TestDatabase, database::TestSession, mutant::try_mutants, run_file, test_files,
};
use serde_json::{Value, json};

use crate::{
    cli::{OutputFormat, RulesTestArgs},
    exit::ExitReason,
    output::{
        OutputColumn, OutputTable,
        color::{TextColor, paint},
        counted, print_answer, print_text,
    },
    progress::{self, ProgressName, ProgressReading},
};

pub(super) async fn run(args: &RulesTestArgs) -> anyhow::Result<ExitReason> {
    let files = test_files(&args.path).context("look for tests")?;
    if files.is_empty() {
        anyhow::bail!("{}: there is no *.test.yaml", args.path.display());
    }
    let started = Instant::now();
    let database = TestDatabase::start()
        .await
        .context("set up the tests' database")?;
    let mut session = database.session().await?;
    let mut totals = RuleTestTotals::default();
    let done = AtomicUsize::new(0);
    let work = async {
        for file in &files {
            one_file(&mut session, file, args, &mut totals).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let name = ProgressName {
        what: "rules test",
        unit: "files",
    };
    let reading = || ProgressReading::of(done.load(Ordering::Relaxed), Some(files.len()));
    progress::show(name, reading, work).await?;
    let seconds = started.elapsed().as_secs_f64();
    let passed = totals.failed == 0 && totals.survivors == 0;
    if is_text(args) {
        println!(
            "{}, {}, {} failed, {seconds:.1} s",
            counted(files.len(), "file"),
            counted(totals.tests, "test"),
            totals.failed
        );
        if args.mutate {
            println!(
                "{} of {} noticed",
                totals.mutants - totals.survivors,
                counted(totals.mutants, "changed rule")
            );
        }
    } else {
        let document = json!({
            "files": files.len(), "tests": totals.tests, "failed": totals.failed, "seconds": seconds,
            "mutants": totals.mutants, "survivors": totals.survivors, "results": totals.results,
        });
        let names = ["file", "name", "passed", "slots", "differences", "survivors"];
        let columns = || names.map(OutputColumn::new).to_vec();
        let rows = || OutputTable::of(columns(), &totals.results);
        print_answer(args.output.format(), |_| String::new(), || &document, rows)?;
    }
    Ok(if passed { ExitReason::Done } else { ExitReason::Red })
}

#[derive(Default)]
struct RuleTestTotals {
    tests: usize,
    failed: usize,
    mutants: usize,
    survivors: usize,
    /// What became of each test, and of each file's changed rules.
    results: Vec<Value>,
}

/// Whether people read each result as it comes; programs get all of them at the end.
fn is_text(args: &RulesTestArgs) -> bool {
    matches!(args.output.format(), OutputFormat::Table | OutputFormat::Wide)
}

/// A file that cannot be run counts as one failed test: the others go on.
async fn one_file(
    session: &mut TestSession,
    file: &Path,
    args: &RulesTestArgs,
    totals: &mut RuleTestTotals,
) -> anyhow::Result<()> {
    let say = |text: String| {
        if !is_text(args) {
            return Ok(());
        }
        progress::clear();
        print_text(&text)
    };
    match run_file(session, file).await {
        Ok(report) => {
            totals.tests += report.tests.len();
            totals.failed += report
                .tests
                .iter()
                .filter(|test| !test.differences.is_empty())
                .count();
            for test in &report.tests {
                totals.results.push(json!({
                    "file": report.path, "name": test.name, "passed": test.differences.is_empty(),
                    "slots": test.slots, "differences": test.differences,
                }));
            }
            say(describe(&report))?;
        }
        Err(error) => {
            totals.tests += 1;
            totals.failed += 1;
            totals.results.push(json!({
                "file": file, "passed": false, "differences": [error.to_string()],
            }));
            let word = paint(TextColor::Bad, "FAILED");
            return say(format!("{word}  {}\n  {error}\n", file.display()));
        }
    }
    if args.mutate {
        match try_mutants(session, file).await {
            Ok(report) => {
                totals.mutants += report.mutants;
                totals.survivors += report.survivors.len();
                let survivors: Vec<String> = report.survivors.iter().map(ToString::to_string).collect();
                for survivor in &survivors {
                    say(format!("  nobody notices {survivor}\n"))?;
                }
                totals.results.push(json!({
                    "file": file, "name": "changed rules", "passed": survivors.is_empty(), "survivors": survivors,
                }));
            }
            Err(error) => say(format!("  {error}\n"))?,
        }
    }
    Ok(())
}

fn describe(report: &FileReport) -> String {
    let word = match report.passed() {
        true => paint(TextColor::Good, "ok    "),
        false => paint(TextColor::Bad, "FAILED"),
    };
    let mut out = format!(
        "{word}  {} ({})\n",
        report.path.display(),
        counted(report.tests.len(), "test")
    );
    for test in report.tests.iter().filter(|test| !test.differences.is_empty()) {
        let _ = writeln!(out, "  {}", test.name);
        for line in &test.differences {
            let _ = writeln!(out, "    {line}");
        }
        out.push_str("    timeline:\n");
        for line in &test.timeline {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}
