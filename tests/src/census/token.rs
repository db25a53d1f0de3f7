//! Rust sources cut into words, texts and comments: as much of the language as counting needs.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An identifier, keyword or number.
    Word,
    /// What stands between the quotes of a string literal, escapes as they are written.
    Text,
    /// What stands between the quotes of a raw string literal, which has no escapes.
    RawText,
    /// A comment, its marks included.
    Comment,
    /// Any other character that is no white space.
    Mark,
}

/// A piece of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceToken<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// Its text.
    pub text: &'a str,
    /// Line on which it begins, from 1.
    pub line: usize,
    /// Bytes before it on that line.
    pub column: usize,
}

/// Cuts a source.
#[must_use]
pub fn tokens(source: &str) -> Vec<SourceToken<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line, mut line_began) = (0, 1, 0);
    while at < source.len() {
        let rest = &source[at..];
        let (kind, from, to, length) = next(rest);
        if let Some(kind) = kind {
            found.push(SourceToken {
                kind,
                text: &rest[from..to],
                line,
                column: at - line_began,
            });
        }
        let passed = &rest[..length];
        line += passed.matches('\n').count();
        if let Some(newline) = passed.rfind('\n') {
            line_began = at + newline + 1;
        }
        at += length;
    }
    found
}

/// Kind of the token at the front (none for white space), where its text begins and ends, and what it takes up.
fn next(rest: &str) -> (Option<TokenKind>, usize, usize, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_whitespace() {
        return (None, 0, 0, first.len_utf8());
    }
    if rest.starts_with("//") {
        let end = rest.find('\n').unwrap_or(rest.len());
        return (Some(TokenKind::Comment), 0, end, end);
    }
    if rest.starts_with("/*") {
        let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
        return (Some(TokenKind::Comment), 0, end, end);
    }
    if let Some((from, to, length)) = raw_text(rest) {
        return (Some(TokenKind::RawText), from, to, length);
    }
    if let Some((from, to, length)) = quoted_text(rest) {
        return (Some(TokenKind::Text), from, to, length);
    }
    if let Some(length) = character(rest) {
        return (Some(TokenKind::Mark), 0, length, length);
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_word(first) {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        return (Some(TokenKind::Word), 0, end, end);
    }
    (Some(TokenKind::Mark), 0, first.len_utf8(), first.len_utf8())
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn raw_text(rest: &str) -> Option<(usize, usize, usize)> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(())?;
    let from = rest.len() - after.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let to = rest[from..].find(&close).map_or(rest.len(), |end| from + end);
    Some((from, to, (to + close.len()).min(rest.len())))
}

/// `"…"`, `b"…"`, `c"…"`.
fn quoted_text(rest: &str) -> Option<(usize, usize, usize)> {
    let from = if rest.starts_with('"') {
        1
    } else if rest.starts_with("b\"") || rest.starts_with("c\"") {
        2
    } else {
        return None;
    };
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(from) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((from, at, at + 1)),
            _ => {}
        }
    }
    Some((from, rest.len(), rest.len()))
}

/// Length of a character literal, which a lifetime is not.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let mut letters = inner.chars();
    let first = letters.next()?;
    if first == '\\' {
        return inner[2..].find('\'').map(|end| end + 4);
    }
    (letters.next() == Some('\'')).then(|| first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_comments_and_characters_are_distinguished() {
        let source = "let a: &'static str = \"x\\\"y\"; // \"no\"\nlet b = r#\"q\"uote\"#; let c = '\"'; let d = '\\''; /* e */ f";
        let texts = |kind| -> Vec<&str> {
            tokens(source)
                .into_iter()
                .filter(|token| token.kind == kind)
                .map(|token| token.text)
                .collect()
        };
        assert_eq!(texts(TokenKind::Text), ["x\\\"y"]);
        assert_eq!(texts(TokenKind::RawText), ["q\"uote"]);
        assert_eq!(texts(TokenKind::Comment), ["// \"no\"", "/* e */"]);
        assert_eq!(
            texts(TokenKind::Word),
            [
                "let", "a", "static", "str", "let", "b", "let", "c", "let", "d", "f"
            ]
        );
        assert_eq!(tokens(source).last().map(|token| token.line), Some(2));
    }
}
