//! Parameters of reports: `:'name'` as psql writes it, `$1` as PostgreSQL takes it.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::{StatementCheck, token::offset};

impl StatementCheck<'_> {
    /// The SQL with `$1` in place of `:'name'`, every character where it was.
    pub(super) fn parameters(&mut self, sql: &str, words: &[TokenWithSpan], parameters: &[&str]) -> String {
        let mut replaced = sql.to_owned();
        let mut used = vec![false; parameters.len()];
        for pair in words.windows(2) {
            let [colon, value] = pair else { continue };
            if colon.token != Token::Colon {
                continue;
            }
            let at = colon.span.start;
            match &value.token {
                Token::SingleQuotedString(name) => match parameters.iter().position(|known| known == name) {
                    Some(number) => {
                        if let Some(used) = used.get_mut(number) {
                            *used = true;
                        }
                        let width = name.len() + 3;
                        let holder = format!("{:<width$}", format!("${}", number + 1));
                        if let Some(begin) = offset(sql, at) {
                            replaced.replace_range(begin..begin + width, &holder);
                        }
                    }
                    None => {
                        let what = format!("parameter `{name}` is not declared");
                        self.refuse(at, &what, "a report declares it under `parameters`");
                    }
                },
                Token::Word(word) => {
                    let what = format!("`:{}` is not quoted", word.value);
                    self.refuse(at, &what, &format!("write :'{}', cast where needed", word.value));
                }
                _ => {}
            }
        }
        for (name, _) in parameters.iter().zip(&used).filter(|(_, used)| !**used) {
            let begin = Location { line: 1, column: 1 };
            self.refuse(
                begin,
                &format!("parameter `{name}` is declared but not used"),
                &format!("write :'{name}' in the SQL"),
            );
        }
        replaced
    }
}
