//! On which line of the file a key stands.

use std::ops::RangeInclusive;

use super::FrontMatter;
use crate::refusal::FilePosition;

impl FrontMatter<'_> {
    /// Where a key stands; where it is missing, where its section or the front matter begins.
    pub(crate) fn position_of(&self, path: &str) -> FilePosition {
        let (head, tail) = path.split_once('.').unwrap_or((path, ""));
        let lines: Vec<&str> = self.yaml.lines().collect();
        let within = |range: RangeInclusive<usize>, name: &str| {
            range
                .into_iter()
                .find(|number| lines.get(*number).is_some_and(|line| opens(line, name)))
        };
        // A key of the top stands at the begin of its line; one of the same name within braces is another.
        let top = match self.prefix {
            "" => self.lines.clone().find(|number| {
                let line = lines.get(*number).filter(|line| !line.starts_with([' ', '-']));
                line.is_some_and(|line| opens(line.split_inclusive(':').next().unwrap_or_default(), head))
            }),
            _ => within(self.lines.clone(), head),
        };
        let line = top.map_or(*self.lines.start(), |head_line| {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let own = lines.get(head_line).map_or(0, |line| indent(line));
            let block = lines.iter().enumerate().skip(head_line + 1).find(|(_, line)| {
                !line.trim().is_empty() && indent(line) <= own && !line.trim_start().starts_with(['#', '-'])
            });
            let last = block.map_or(*self.lines.end(), |(number, _)| number - 1);
            match tail {
                "" => head_line,
                name => within(head_line..=last, name).unwrap_or(head_line),
            }
        });
        FilePosition::line(self.yaml_line + u32::try_from(line).unwrap_or(0))
    }

    /// Lines on which item `number` of the list `path` stands: from its dash, or where the key stands.
    pub(super) fn lines_of_item(&self, path: &str, number: usize) -> RangeInclusive<usize> {
        let first = usize::try_from(self.position_of(path).line - self.yaml_line).unwrap_or(0);
        let mut dashes = self
            .yaml
            .lines()
            .enumerate()
            .skip(first + 1)
            .take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '-', '#']))
            .filter(|(_, line)| line.trim_start().starts_with("- "))
            .map(|(number, _)| number)
            .skip(number);
        match dashes.next() {
            None => first..=first,
            Some(begin) => begin..=dashes.next().map_or(*self.lines.end(), |next| next - 1),
        }
    }
}

/// True if `line` holds the key `name`, at its begin, after a dash or within braces.
fn opens(line: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| rest.find(name)) {
        let begin = from + found;
        let before = line
            .get(..begin)
            .unwrap_or_default()
            .trim_end_matches(['"', '\'']);
        let behind = line
            .get(begin + name.len()..)
            .unwrap_or_default()
            .trim_start_matches(['"', '\'']);
        let starts = before.trim().is_empty() || before.trim_end().ends_with(['{', ',', '-']);
        if starts && behind.starts_with(':') {
            return true;
        }
        from = begin + name.len();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_on_its_line_in_both_notations() {
        assert!(opens("labels: {severity: page, team: x}", "team"));
        assert!(opens("  - name: days", "name"));
        assert!(opens("\"for\": 5m", "for"));
        assert!(!opens("summary: waits for: it", "for"));
    }
}
