//! What single tokens stand for.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// The word as PostgreSQL folds it; `None` if it is quoted or no word.
pub(super) fn bare(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// The name a word stands for, quoted or not.
pub(super) fn name_of(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        token => bare(token),
    }
}

/// True if the brackets that begin `words` hold one argument.
pub(super) fn has_one_argument(words: &[TokenWithSpan]) -> bool {
    let mut depth = 0_usize;
    for word in words {
        match word.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return true,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 1 => return false,
            _ => {}
        }
    }
    true
}

/// Byte offset of a place within `sql`.
pub(super) fn offset(sql: &str, at: Location) -> Option<usize> {
    let (line, column) = (usize::try_from(at.line).ok()?, usize::try_from(at.column).ok()?);
    let before: usize = sql
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let rest = sql.get(before..)?;
    rest.char_indices()
        .nth(column.checked_sub(1)?)
        .map(|(within, _)| before + within)
}
