//! A terminal of 80 columns in which commands are typed, and a picture of what it shows: an animated SVG, a scene a command.

use std::fmt::Write as _;

use crate::page::PageReader;

/// As wide as terminals are when they open.
pub(crate) const COLUMNS: usize = 80;
const LINE_PIXELS: usize = 18;
/// A letter of a monospaced font of 14 pixels.
const LETTER_PIXELS: f64 = 8.43;
const SECONDS_A_SCENE: usize = 5;

/// A command and what the terminal shows of it.
pub(crate) struct TerminalScene {
    pub(crate) command: String,
    /// With colours, as escape sequences.
    pub(crate) lines: Vec<String>,
}

impl TerminalScene {
    /// Types a command in a pseudo-terminal.
    pub(crate) fn record(reader: &PageReader, command: &str) -> Self {
        reader.writes("typed.sh", &format!("stty cols {COLUMNS} rows 40\n{command}\n"));
        let (code, said) = reader.types(
            "TERM=xterm-256color PAGER=cat script --quiet --return --command 'bash typed.sh' /dev/null",
        );
        assert!(code <= 1, "{command} ended with {code}: {said}");
        Self {
            command: command.to_owned(),
            lines: said.lines().map(|line| line.trim_end().to_owned()).collect(),
        }
    }

    /// Lines that are wider than the terminal, which wraps them.
    pub(crate) fn wrapped(&self) -> Vec<&String> {
        let is_wide = |line: &&String| plain(line).chars().count() > COLUMNS;
        self.lines.iter().filter(is_wide).collect()
    }
}

/// The text without its escape sequences.
fn plain(line: &str) -> String {
    spans(line).into_iter().map(|(_, text)| text).collect()
}

/// Pieces of a line, each with the colour that was set before it.
fn spans(line: &str) -> Vec<(&'static str, String)> {
    let (mut found, mut colour) = (Vec::new(), "");
    let mut pieces = line.split('\u{1b}');
    found.push((colour, pieces.next().unwrap_or_default().to_owned()));
    for piece in pieces {
        let Some((sequence, text)) = piece.strip_prefix('[').and_then(|rest| {
            rest.find(|letter: char| letter.is_ascii_alphabetic())
                .map(|end| rest.split_at(end))
        }) else {
            continue;
        };
        if text.starts_with('m') {
            for code in sequence.split(';') {
                colour = match code {
                    "1" => "bold",
                    "2" => "dim",
                    "31" | "91" => "red",
                    "32" | "92" => "green",
                    "33" | "93" => "yellow",
                    "36" | "96" => "cyan",
                    "" | "0" | "39" | "22" => "",
                    _ => colour,
                };
            }
        }
        found.push((colour, text.get(1..).unwrap_or_default().to_owned()));
    }
    found.retain(|(_, text)| !text.is_empty());
    found
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The scenes one after another, for ever.
pub(crate) fn animated(scenes: &[TerminalScene]) -> String {
    let rows = scenes
        .iter()
        .map(|scene| scene.lines.len() + 2)
        .max()
        .unwrap_or_default();
    let (width, height) = (COLUMNS * 843 / 100 + 28, rows * LINE_PIXELS + 20);
    let whole = scenes.len() * SECONDS_A_SCENE;
    let share = 100.0 / scenes.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Commands of fleetledger in a terminal\">\n<style>\n\
         text {{ font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #d7dce2; white-space: pre; }}\n\
         .bold {{ font-weight: bold; fill: #ffffff; }} .dim {{ fill: #8a939f; }} .red {{ fill: #ff8a80; }} .green {{ fill: #7fd88f; }}\n\
         .yellow {{ fill: #f2cc60; }} .cyan {{ fill: #79c0ff; }}\n\
         .scene {{ opacity: 0; animation: scene {whole}s step-end infinite; }}\n\
         @keyframes scene {{ 0% {{ opacity: 1; }} {share:.3}% {{ opacity: 0; }} 100% {{ opacity: 0; }} }}\n\
         @media (prefers-reduced-motion: reduce) {{ .scene {{ animation: none; }} .first {{ opacity: 1; }} }}\n\
         </style>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#14181d\"/>\n"
    );
    for (index, scene) in scenes.iter().enumerate() {
        let class = if index == 0 { "scene first" } else { "scene" };
        let delay = index * SECONDS_A_SCENE;
        let _ = writeln!(svg, "<g class=\"{class}\" style=\"animation-delay: {delay}s\">");
        let prompt = format!("\u{1b}[36m$\u{1b}[0m \u{1b}[1m{}\u{1b}[0m", scene.command);
        for (row, line) in [&prompt].into_iter().chain(&scene.lines).enumerate() {
            let y = (row + 1) * LINE_PIXELS + 8;
            let mut column = 0;
            for (colour, text) in spans(line) {
                let x = 14.0 + column as f64 * LETTER_PIXELS;
                let length = text.chars().count();
                if !text.trim().is_empty() {
                    let _ = writeln!(
                        svg,
                        "<text x=\"{x:.1}\" y=\"{y}\" class=\"{colour}\" textLength=\"{:.1}\" xml:space=\"preserve\">{}</text>",
                        length as f64 * LETTER_PIXELS,
                        escaped(&text)
                    );
                }
                column += length;
            }
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

#[test]
fn colours_are_kept_and_other_sequences_are_not_shown() {
    let line = "a \u{1b}[31;1mred\u{1b}[0m \u{1b}[K<b>";
    assert_eq!(plain(line), "a red <b>");
    assert_eq!(spans(line)[1].1, "red");
    let scene = TerminalScene {
        command: "x".to_owned(),
        lines: vec![line.to_owned(), "w".repeat(81)],
    };
    assert_eq!(scene.wrapped(), ["w".repeat(81)].iter().collect::<Vec<_>>());
    assert!(animated(&[scene]).contains("&lt;b&gt;"));
}
