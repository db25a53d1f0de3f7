//! Words of commands that a page shows to be pasted into a shell.

use fleetledger_paging::LabelSet;

/// Labels as matchers of a command.
pub(crate) fn shell_words(labels: &LabelSet) -> String {
    let words: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| quote_for_shell(&format!("{name}={value}")))
        .collect();
    words.join(" ")
}

/// A word as a shell takes it.
pub(crate) fn quote_for_shell(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_-./:=@%+".contains(one);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_survive_a_shell() {
        assert_eq!(quote_for_shell("node=n1"), "node=n1");
        assert_eq!(quote_for_shell("a=it's $HOME"), r"'a=it'\''s $HOME'");
    }
}
