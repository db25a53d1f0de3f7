//! `fleetledger rules test`.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use fleetledger_trials::{
    FileReport, TestDatabase, database::TestSession, mutant::try_mutants, run_file, test_files,
};

use crate::{cli::RulesTestArgs, exit::ExitReason, output::counted};

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
    for file in &files {
        one_file(&mut session, file, args.mutate, &mut totals).await;
    }
    let seconds = started.elapsed().as_secs_f64();
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
    let passed = totals.failed == 0 && totals.survivors == 0;
    Ok(if passed { ExitReason::Done } else { ExitReason::Red })
}

#[derive(Default)]
struct RuleTestTotals {
    tests: usize,
    failed: usize,
    mutants: usize,
    survivors: usize,
}

/// A file that cannot be run counts as one failed test: the others go on.
async fn one_file(session: &mut TestSession, file: &Path, mutate: bool, totals: &mut RuleTestTotals) {
    match run_file(session, file).await {
        Ok(report) => {
            totals.tests += report.tests.len();
            totals.failed += report
                .tests
                .iter()
                .filter(|test| !test.differences.is_empty())
                .count();
            print_report(&report);
        }
        Err(error) => {
            totals.tests += 1;
            totals.failed += 1;
            println!("FAILED  {}\n  {error}", file.display());
            return;
        }
    }
    if mutate {
        match try_mutants(session, file).await {
            Ok(report) => {
                totals.mutants += report.mutants;
                totals.survivors += report.survivors.len();
                for survivor in report.survivors {
                    println!("  nobody notices {survivor}");
                }
            }
            Err(error) => println!("  {error}"),
        }
    }
}

fn print_report(report: &FileReport) {
    let word = if report.passed() { "ok    " } else { "FAILED" };
    println!(
        "{word}  {} ({})",
        report.path.display(),
        counted(report.tests.len(), "test")
    );
    for test in report.tests.iter().filter(|test| !test.differences.is_empty()) {
        println!("  {}", test.name);
        for line in &test.differences {
            println!("    {line}");
        }
        println!("    timeline:");
        for line in &test.timeline {
            println!("      {line}");
        }
    }
}
