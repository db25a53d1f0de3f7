//! Names behind FROM and JOIN: they are bare, whatever a schema is called.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{
    StatementCheck,
    token::{bare, name_of},
    vocabulary::SCHEMAS,
};

impl StatementCheck<'_> {
    /// Refuses `schema.relation` behind FROM, JOIN and their commas, whatever the schema is called.
    pub(super) fn relations(&mut self, words: &[TokenWithSpan]) {
        let mut frames = vec![BracketFrame::default()];
        for (number, word) in words.iter().enumerate() {
            let before = number.checked_sub(1).and_then(|before| words.get(before));
            let before = before.and_then(|word| bare(&word.token));
            let next = words.get(number + 1).map(|word| &word.token);
            let Some(frame) = frames.last_mut() else { return };
            match &word.token {
                Token::LParen => {
                    let inner = BracketFrame {
                        selects: false,
                        lists: frame.expects,
                        expects: frame.expects,
                    };
                    frame.expects = false;
                    frames.push(inner);
                }
                Token::RParen => {
                    frames.pop();
                }
                Token::Comma => frame.expects = frame.lists,
                Token::Word(_) => {
                    let is_relation =
                        frame.expects && !frame.is_keyword(bare(&word.token), before.as_deref());
                    if is_relation {
                        frame.expects = false;
                        let name = name_of(&word.token).unwrap_or_default();
                        let is_named = SCHEMAS.contains(&name.as_str());
                        if next == Some(&Token::Period) && !is_named {
                            let what = format!("`{name}.…` is a qualified name");
                            self.refuse(word.span.start, &what, "write the unqualified name of a view");
                        }
                    } else if !frame.expects {
                        frame.is_keyword(bare(&word.token), before.as_deref());
                    }
                }
                _ => {}
            }
        }
    }
}

/// What is known of one pair of brackets while its relations are looked for.
#[derive(Default)]
struct BracketFrame {
    /// A SELECT began in it, so that its FROM names relations (that of `extract` does not).
    selects: bool,
    /// Within a list of relations.
    lists: bool,
    /// The next name is a relation.
    expects: bool,
}

impl BracketFrame {
    /// Takes note of a keyword; false for any other word.
    fn is_keyword(&mut self, word: Option<String>, before: Option<&str>) -> bool {
        match word.as_deref() {
            Some("select") => {
                self.selects = true;
                self.lists = false;
                self.expects = false;
            }
            Some("from") if self.selects && before != Some("distinct") => {
                self.lists = true;
                self.expects = true;
            }
            Some("join") => self.expects = true,
            Some("on" | "using") => self.expects = false,
            Some(
                "where" | "group" | "order" | "having" | "limit" | "offset" | "fetch" | "window" | "union"
                | "intersect" | "except" | "for" | "values",
            ) => {
                self.lists = false;
                self.expects = false;
            }
            Some("lateral" | "only") => {}
            _ => return false,
        }
        true
    }
}
