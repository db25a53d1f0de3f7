//! What a page tells its reader to do: commands in blocks of `console`, and files that stand in it whole; and a reader who
//! does it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::process::DEADLINE;

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PagePart {
    /// A command to type.
    Step(PageStep),
    /// A file to write: a block after a line that ends with its name, as in "`queries/alerts/a.sql`:".
    File { path: String, text: String },
}

/// A command, and what the page says it answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageStep {
    /// Line of the page.
    pub(crate) line: usize,
    /// For a shell.
    pub(crate) command: String,
    /// Lines of the answer; `…` stands for anything.
    pub(crate) output: Vec<String>,
}

/// Whoever reads a page and types what it says, in a home that is empty at first.
pub(crate) struct PageReader {
    pub(crate) folder: tempfile::TempDir,
    /// What the reader's shell knows: `export NAME=…` and the like.
    prelude: String,
}

impl PageReader {
    pub(crate) fn new(prelude: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            prelude: prelude.to_owned(),
        }
    }

    /// A command of the reader's, not yet started.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-o", "pipefail", "-c", &format!("{}\n{command}", self.prelude)])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        shell
    }

    /// Exit code and all that was said.
    pub(crate) fn types(&self, command: &str) -> (i32, String) {
        let output = self.command(command).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code().unwrap_or(-1), text)
    }

    /// Until a command says so: some of it comes by and by.
    pub(crate) fn waits_for(&self, command: &str, wanted: &str) {
        self.waits_within(DEADLINE, command, wanted);
    }

    pub(crate) fn waits_within(&self, deadline: Duration, command: &str, wanted: &str) {
        let begun = Instant::now();
        loop {
            let (_, output) = self.types(command);
            if output.contains(wanted) {
                return;
            }
            assert!(begun.elapsed() < deadline, "{command}: no {wanted}: {output}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Types a command until it says what its page says: what has yet to come about is asked for again.
    pub(crate) fn takes(&self, page: &str, step: &PageStep) {
        let begun = Instant::now();
        loop {
            let (code, output) = self.types(&step.command);
            let missing = missing_line(&output, &step.output);
            if step.ends_well(code) && missing.is_none() {
                return;
            }
            assert!(
                step.ends_well(code) && begun.elapsed() < DEADLINE,
                "{page}:{}: `{}` ended with {code}, lacks {missing:?} and said:\n{output}",
                step.line,
                step.command
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Follows a page from its first line to its last, or a part of one; how many commands that were.
    pub(crate) fn follows(&self, page: &str, text: &str) -> usize {
        let mut commands = 0;
        for part in parts(text) {
            match part {
                PagePart::File { path, text } => self.writes(&path, &text),
                PagePart::Step(step) => {
                    self.takes(page, &step);
                    commands += 1;
                }
            }
        }
        commands
    }

    pub(crate) fn writes(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join(path), text).unwrap();
    }
}

impl PageStep {
    /// `status` and `audit` end with 1 where something is red, and are as useful then.
    fn ends_well(&self, code: i32) -> bool {
        code == 0 || code == 1 && ["fleetledger status", "fleetledger audit"].contains(&self.command.as_str())
    }
}

/// The text of a page of this tree.
pub(crate) fn read(page: &str) -> String {
    let tree = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::fs::read_to_string(tree.join(page)).unwrap()
}

/// A section of a page by its heading, without the heading.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let level = heading.split(' ').next().unwrap();
    rest.split_once(&format!("\n{level} "))
        .map_or(rest, |(section, _)| section)
}

/// Everything a page tells to do, in order.
pub(crate) fn parts(markdown: &str) -> Vec<PagePart> {
    let mut found = Vec::new();
    let (mut block, mut text, mut named) = (None::<String>, String::new(), None::<String>);
    for (index, line) in markdown.lines().enumerate() {
        match (&block, line.trim_start().strip_prefix("```")) {
            (None, Some(kind)) => {
                block = Some(kind.to_owned());
                text.clear();
            }
            (Some(kind), Some(_)) => {
                if kind == "console" {
                    found.extend(steps(&text, index + 1 - text.lines().count()));
                } else if let Some(path) = named.take() {
                    found.push(PagePart::File {
                        path,
                        text: text.clone(),
                    });
                }
                block = None;
            }
            (Some(_), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) if !line.trim().is_empty() => named = file_of(line),
            (None, None) => {}
        }
    }
    found
}

/// The file that a line announces.
fn file_of(line: &str) -> Option<String> {
    let before = line.trim_end().strip_suffix("`:")?;
    let (_, path) = before.rsplit_once('`')?;
    Some(path.to_owned())
}

fn steps(block: &str, first_line: usize) -> Vec<PagePart> {
    let mut steps: Vec<PageStep> = Vec::new();
    for (index, line) in block.lines().enumerate() {
        let line = line.trim_end();
        if let Some(command) = line.trim_start().strip_prefix("$ ") {
            steps.push(PageStep {
                line: first_line + index,
                command: command.to_owned(),
                output: Vec::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            let more = line.trim_start().strip_prefix("> ");
            match more.filter(|_| step.output.is_empty() && is_open(&step.command)) {
                Some(more) => step.command = format!("{}\n{more}", step.command),
                // A prompt of psql, which nobody sees who has no terminal.
                None if line.starts_with("fleetledger=>") => {}
                None => step.output.push(line.to_owned()),
            }
        }
    }
    steps.into_iter().map(PagePart::Step).collect()
}

/// Whether a shell asks for more: after a backslash, or within a loop.
fn is_open(command: &str) -> bool {
    command.ends_with('\\') || command.starts_with("for ") && !command.ends_with("done")
}

/// The first of the lines that what was said lacks; they stand in order, with others in between.
pub(crate) fn missing_line(output: &str, lines: &[String]) -> Option<String> {
    let mut rest = output.lines();
    for line in lines {
        if !rest.any(|found| is_like(found.trim_end(), line)) {
            return Some(line.clone());
        }
    }
    None
}

/// `…` stands for anything.
fn is_like(found: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        is_open = true;
        let part = part.trim();
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
        is_open = is_open && part.is_empty();
    }
    is_open || rest.is_empty()
}

#[test]
fn a_page_is_read_as_its_reader_reads_it() {
    let page = "# A\n\nOurs, `a.sql`:\n\n```sql\nselect 1\n```\n\n```console\n$ one \\\n>   more\nsaid … by it\n$ two\n```\n\n```text\n$ no\n```\n";
    let step = |line, command: &str, output: &[&str]| {
        PagePart::Step(PageStep {
            line,
            command: command.to_owned(),
            output: output.iter().map(|line| (*line).to_owned()).collect(),
        })
    };
    let file = PagePart::File {
        path: "a.sql".to_owned(),
        text: "select 1\n".to_owned(),
    };
    assert_eq!(
        parts(page),
        [
            file,
            step(10, "one \\\n  more", &["said … by it"]),
            step(13, "two", &[])
        ]
    );
    let wanted = ["said … by it".to_owned()];
    assert_eq!(missing_line("x\nsaid something by it\n", &wanted), None);
    assert_eq!(
        missing_line("said something by her\n", &wanted),
        Some(wanted[0].clone())
    );
}
