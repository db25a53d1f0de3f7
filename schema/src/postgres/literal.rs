//! Texts in SQL that is not run with parameters.

/// A text as SQL takes it, in its quotes.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_doubled() {
        assert_eq!(literal("it's"), "'it''s'");
    }
}
