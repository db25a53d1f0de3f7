//! Colours of what people must see first. They are chosen once, as the process begins.

use std::{
    io::{self, IsTerminal as _},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{cli::ColorChoice, config::environment};

/// Whether standard output is coloured.
static IS_COLORED: AtomicBool = AtomicBool::new(false);

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextColor {
    /// Somebody must act.
    Bad,
    /// Worth a look.
    Doubtful,
    /// As it should be.
    Good,
    /// It matters less than the rest.
    Dim,
}

impl TextColor {
    /// Of a severity, or of what a check came to.
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "page" | "critical" | "firing" | "stale" | "broken" | "halted" | "missing" => Some(Self::Bad),
            "warn" | "warning" | "ticket" | "pending" | "recovering" | "open" => Some(Self::Doubtful),
            "fresh" | "resolved" | "there" => Some(Self::Good),
            "info" | "retired" | "skipped" => Some(Self::Dim),
            _ => None,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Bad => "\x1b[31m",
            Self::Doubtful => "\x1b[33m",
            Self::Good => "\x1b[32m",
            Self::Dim => "\x1b[2m",
        }
    }
}

/// Chooses, from the command line, NO_COLOR, and whether somebody looks.
pub(crate) fn choose(choice: ColorChoice) {
    let is_colored = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && !environment::is_set("NO_COLOR"),
    };
    IS_COLORED.store(is_colored, Ordering::Relaxed);
}

/// The same words in a colour, where there are colours.
pub(crate) fn paint(color: TextColor, words: &str) -> String {
    match IS_COLORED.load(Ordering::Relaxed) && !words.trim().is_empty() {
        true => format!("{}{words}\x1b[0m", color.code()),
        false => words.to_owned(),
    }
}

/// Paints words that mean something within the text of a table: columns with one of these heads, by the first word of
/// each cell. Widths are those of the plain text.
pub(crate) fn paint_columns(table: &str, heads: &[&str]) -> String {
    if !IS_COLORED.load(Ordering::Relaxed) {
        return table.to_owned();
    }
    painted(table, heads)
}

fn painted(table: &str, heads: &[&str]) -> String {
    let mut lines = table.lines();
    let Some(head) = lines.next() else {
        return String::new();
    };
    let head_cells: Vec<char> = head.chars().collect();
    let places: Vec<usize> = heads.iter().filter_map(|name| place(&head_cells, name)).collect();
    let mut out = format!("{head}\n");
    for line in lines {
        let letters: Vec<char> = line.chars().collect();
        let mut end = 0;
        for place in &places {
            let word: String = letters
                .iter()
                .skip(*place)
                .take_while(|letter| letter.is_alphanumeric())
                .collect();
            let Some(color) = TextColor::of(&word) else {
                continue;
            };
            out.extend(letters.iter().skip(end).take(place.saturating_sub(end)));
            out.push_str(&format!("{}{word}\x1b[0m", color.code()));
            end = place + word.chars().count();
        }
        out.extend(letters.iter().skip(end));
        out.push('\n');
    }
    out
}

/// Where a head stands as a column of its own.
fn place(head: &[char], name: &str) -> Option<usize> {
    let name: Vec<char> = name.chars().collect();
    let is_space = |place: usize| head.get(place).is_none_or(|letter| *letter == ' ');
    (0..head.len()).find(|place| {
        head.iter().skip(*place).take(name.len()).eq(name.iter())
            && is_space(place + name.len())
            && (*place == 0 || is_space(place - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_named_columns_are_painted_where_they_stand() {
        let table = "  alert  condition       severity\n  page   firing, snoozed page\n  x      über            info\n";
        let painted = painted(table, &["condition", "severity", "state"]);
        assert_eq!(
            painted,
            "  alert  condition       severity\n  page   \x1b[31mfiring\x1b[0m, snoozed \x1b[31mpage\x1b[0m\n  x      über            \x1b[2minfo\x1b[0m\n"
        );
        assert_eq!(painted.lines().count(), 3);
    }

    #[test]
    fn no_word_is_painted_unless_colours_were_chosen() {
        assert_eq!(paint(TextColor::Bad, "RED"), "RED");
        assert_eq!(
            paint_columns("  state\n  stale\n", &["state"]),
            "  state\n  stale\n"
        );
    }
}
