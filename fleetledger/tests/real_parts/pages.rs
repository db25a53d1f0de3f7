//! Pages of the book, followed as they stand against a demo: a command that no longer works, or says something else than
//! its page, fails here.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
};

use fleetledger_queries::{Catalogue, catalogue};

use crate::{
    page::{self, PagePart, PageReader, PageStep, parts},
    support::{self, BinaryFixture},
};

const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A demo that runs, and somebody beside it who reads.
pub(crate) struct PageDemo {
    child: Child,
    data: PathBuf,
    pub(crate) reader: PageReader,
}

static DEMO: Mutex<Weak<PageDemo>> = Mutex::new(Weak::new());

impl PageDemo {
    /// The one that tests share while any of them looks at it.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = DEMO.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let demo = Arc::new(Self::start());
            *shared = Arc::downgrade(&demo);
            demo
        })
    }

    fn start() -> Self {
        let data = support::cache()
            .data_root()
            .join(format!("demo-test-pages-{}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap();
        let setup = BinaryFixture::new(&format!("[demo]\ndirectory = \"{}\"\n", data.display()));
        let mut command = setup.command();
        let mut child = command
            .args(["demo", "--fresh", "--for", "30m"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut export = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line.trim_start().starts_with("export ") {
                export = line.trim().to_owned();
            }
            if line.contains("clusters 3 fresh") {
                break;
            }
        }
        // Nobody reads on: the pipe must not fill up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        assert!(!export.is_empty(), "the demo prints no line for another terminal");
        Self {
            child,
            data,
            reader: PageReader::new(&export),
        }
    }
}

impl Drop for PageDemo {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// Runbooks by name.
fn runbooks() -> Vec<(String, String)> {
    let folder = Path::new(TREE).join("docs/runbooks");
    let mut runbooks = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        runbooks.push((name, std::fs::read_to_string(path).unwrap()));
    }
    runbooks.sort();
    runbooks
}

/// The commands of a runbook; a `fleetledger` in its prose is one as well if it names nothing to fill in.
fn commands(book: &str) -> Vec<PageStep> {
    let mut steps: Vec<PageStep> = parts(book)
        .into_iter()
        .filter_map(|part| match part {
            PagePart::Step(step) => Some(step),
            PagePart::File { .. } => None,
        })
        .collect();
    for (index, line) in book.lines().enumerate() {
        let inline = line.split('`').skip(1).step_by(2);
        let complete = inline.filter(|code| {
            // The current state for something else is in capitals or an ellipsis.
            let is_open = |letter: char| letter.is_ascii_uppercase() || letter == '…';
            code.starts_with("fleetledger ") && !code.contains(is_open)
        });
        steps.extend(complete.map(|code| PageStep {
            line: index + 1,
            command: code.to_owned(),
            output: Vec::new(),
        }));
    }
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_followed_as_written() {
    let demo = PageDemo::shared();
    let reader = &demo.reader;
    let quick_start = page::read("docs/quick-start.md");
    let first = page::section(&quick_start, "## On one machine, with a simulated fleet");
    // The demo runs already.
    let (_, after) = first.split_once("export FLEETLEDGER_CONFIG").unwrap();
    assert!(reader.follows("docs/quick-start.md", after) >= 7);
    let page = "docs/writing-a-rule.md";
    assert!(reader.follows(page, &page::read(page)) >= 8);
    reader.waits_for("fleetledger dead-letters list", "bad_headers");

    let mut ran = 0;
    for (name, book) in runbooks() {
        for step in commands(&book) {
            let words: Vec<&str> = step.command.split_whitespace().collect();
            let is_ours = matches!(words[0], "fleetledger" | "psql");
            // There is no cluster in a demo: what is for kubectl and ssh is only read.
            if !is_ours
                || words[..2] == ["fleetledger", "evaluate"]
                || words == ["fleetledger", "alerts", "unsnooze"]
                // Prices stand in a folder of the operator's.
                || words == ["fleetledger", "cost", "apply"]
            {
                continue;
            }
            let (code, output) = reader.types(&step.command);
            // `status` and `audit` end with 1 where something is red: dead letters are.
            let is_fine = code == 0 || (code == 1 && matches!(words[1], "status" | "audit"));
            assert!(
                is_fine,
                "{name}:{}: `{}` ended with {code}:\n{output}",
                step.line, step.command
            );
            ran += 1;
        }
    }
    assert!(ran >= 45, "{ran} commands");
}

#[test]
fn commands_of_runbooks_are_shell_and_their_snoozes_meet_the_alert() {
    let catalogue = catalogue::load(&Path::new(TREE).join("queries/alerts")).unwrap();
    let mut snoozes = 0;
    for (name, book) in runbooks() {
        for step in commands(&book) {
            let place = format!("{name}:{}: `{}`", step.line, step.command);
            let read = Command::new("bash")
                .args(["-n", "-c", &step.command])
                .output()
                .unwrap();
            assert!(
                read.status.success(),
                "{place}: {}",
                String::from_utf8_lossy(&read.stderr)
            );
            let words: Vec<&str> = step.command.split_whitespace().collect();
            assert!(
                ["fleetledger", "kubectl", "ssh", "psql"].contains(&words[0]),
                "{place}: of what program?"
            );
            if words[..words.len().min(3)] == ["fleetledger", "alerts", "snooze"] {
                snooze_meets(&catalogue, &words, &place);
                snoozes += 1;
            }
        }
    }
    assert!(snoozes >= 40, "{snoozes} snoozes");
}

/// Every matcher is on a label that the alert's instances have.
fn snooze_meets(catalogue: &Catalogue, words: &[&str], place: &str) {
    let matchers: Vec<&str> = words[4..]
        .iter()
        .copied()
        .take_while(|word| !word.starts_with("--"))
        .collect();
    // Those about fleetledger itself are built into the binary.
    let Some(rule) = catalogue
        .iter()
        .filter_map(|query| query.alert())
        .find(|rule| rule.alert == words[3])
    else {
        let builtin = [
            "IngestStalled",
            "NotificationFailing",
            "RuleEvaluationFailing",
            "RuleLimitExceeded",
            "RuleTooSlow",
        ];
        assert!(builtin.contains(&words[3]), "{place}: there is no such alert");
        return;
    };
    let labels: BTreeSet<&str> = rule
        .columns
        .labels
        .iter()
        .map(String::as_str)
        .chain(rule.labels.keys().map(String::as_str))
        .collect();
    for matcher in matchers {
        let label = matcher.split(['=', '!', '~']).next().unwrap();
        assert!(
            labels.contains(label),
            "{place}: no label {label}; it has {labels:?}"
        );
    }
}
