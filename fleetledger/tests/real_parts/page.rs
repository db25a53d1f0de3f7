//! What a page tells its reader to do: commands in blocks of `console`, and files that stand in it whole.

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
            match line.strip_prefix("> ").filter(|_| step.command.ends_with('\\')) {
                Some(more) => step.command = format!("{}\n{more}", step.command),
                // A prompt of psql, which nobody sees who has no terminal.
                None if line.starts_with("fleetledger=>") => {}
                None => step.output.push(line.to_owned()),
            }
        }
    }
    steps.into_iter().map(PagePart::Step).collect()
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
