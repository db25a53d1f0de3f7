//! As much Markdown as runbooks use: headings, paragraphs, lists, fences, code within a line. Whatever else is there is
//! shown as it was written. Pure.

/// HTML of a text, without its first heading of the first level, which is its title.
pub(crate) fn html(text: &str) -> (Option<String>, String) {
    let (mut title, mut out) = (None, String::new());
    let mut block = MarkdownBlock::None;
    for line in text.lines() {
        if let MarkdownBlock::Fence = block {
            if line.trim_start().starts_with("```") {
                block.end(&mut out);
            } else {
                out += &escape(line);
                out.push('\n');
            }
            continue;
        }
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            block.begin(MarkdownBlock::Fence, &mut out);
        } else if trimmed.is_empty() {
            block.leave_paragraph(&mut out);
        } else if let Some((level, heading)) = heading(trimmed) {
            block.end(&mut out);
            if level == 1 && title.is_none() {
                title = Some(heading.to_owned());
            } else {
                // The page's own title is the only one of the first level.
                let level = level.max(2);
                out += &format!("<h{level}>{}</h{level}>\n", inline(heading));
            }
        } else if let Some(item) = trimmed.strip_prefix("* ").or_else(|| trimmed.strip_prefix("- ")) {
            block.begin(MarkdownBlock::Bullets, &mut out);
            out += &format!("<li>{}</li>\n", inline(item));
        } else if let Some((number, item)) = numbered(trimmed) {
            // Steps go on behind the commands between them.
            block.end(&mut out);
            out += &format!("<ol start=\"{number}\"><li>{}</li></ol>\n", inline(item));
        } else {
            block.begin(MarkdownBlock::Paragraph, &mut out);
            out += &inline(trimmed);
            out.push('\n');
        }
    }
    block.end(&mut out);
    (title, out)
}

/// A text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, one| {
        match one {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#x27;",
            other => out.push(other),
        }
        out
    })
}

/// What the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MarkdownBlock {
    None,
    Paragraph,
    Bullets,
    Fence,
}

impl MarkdownBlock {
    fn tags(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("", ""),
            Self::Paragraph => ("<p>", "</p>\n"),
            Self::Bullets => ("<ul>\n", "</ul>\n"),
            Self::Fence => ("<pre><code>", "</code></pre>\n"),
        }
    }

    fn begin(&mut self, next: Self, out: &mut String) {
        if *self != next {
            self.end(out);
            *out += next.tags().0;
            *self = next;
        }
    }

    fn end(&mut self, out: &mut String) {
        *out += self.tags().1;
        *self = Self::None;
    }

    /// An empty line ends a paragraph; items of a list may stand apart.
    fn leave_paragraph(&mut self, out: &mut String) {
        if *self == Self::Paragraph {
            self.end(out);
        }
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.chars().take_while(|one| *one == '#').count();
    let text = line.get(level..)?.strip_prefix(' ')?;
    (1..=6).contains(&level).then_some((level, text))
}

fn numbered(line: &str) -> Option<(u32, &str)> {
    let (number, item) = line.split_once(". ")?;
    Some((number.parse().ok()?, item))
}

/// Code within a line.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let part = |(number, part): (usize, &&str)| match number % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runbooks_become_html() {
        let text = "# Title\n\nOne `a < b`\nline.\n\n## Look\n\n* x\n* y\n\n1. First.\n\n```sql\nselect '<b>';\n```\n\n2. Then.\n";
        let (title, body) = html(text);
        assert_eq!(title.as_deref(), Some("Title"));
        assert_eq!(
            body,
            "<p>One <code>a &lt; b</code>\nline.\n</p>\n<h2>Look</h2>\n<ul>\n<li>x</li>\n<li>y</li>\n</ul>\n\
             <ol start=\"1\"><li>First.</li></ol>\n<pre><code>select &#x27;&lt;b&gt;&#x27;;\n</code></pre>\n\
             <ol start=\"2\"><li>Then.</li></ol>\n"
        );
    }

    #[test]
    fn what_is_left_open_is_closed_and_nothing_is_markup() {
        assert_eq!(html("```\n<x>").1, "<pre><code>&lt;x&gt;\n</code></pre>\n");
        assert_eq!(
            html("<script>alert(1)</script>").1,
            "<p>&lt;script&gt;alert(1)&lt;/script&gt;\n</p>\n"
        );
        assert_eq!(html("a ` b").1, "<p>a ` b\n</p>\n");
    }
}
