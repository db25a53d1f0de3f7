//! Names that somebody may have meant by one that nobody knows.

/// As many names are offered at most.
const OFFERED: usize = 3;

/// ``did you mean `node` or `node_taint`?``, the nearest first; `None` where no known name is near.
#[must_use]
pub fn did_you_mean<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let furthest = 1 + unknown.len() / 5;
    // `kubelet` is the beginning of `kubelet_version`; after every name that is merely misspelt.
    let begins = |name: &str| unknown.len() >= 3 && name.starts_with(&format!("{unknown}_"));
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| match strsim::damerau_levenshtein(unknown, name) {
            distance if distance <= furthest => Some((distance, name)),
            _ => begins(name).then_some((furthest + 1, name)),
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let names: Vec<String> = near
        .iter()
        .take(OFFERED)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("did you mean {last}?"),
        others => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_offered_and_strangers_are_not() {
        let views = ["node", "node_taint", "pod", "cluster", "nodd"];
        let offered = |unknown| did_you_mean(unknown, views);
        assert_eq!(offered("nodes").unwrap(), "did you mean `node` or `nodd`?");
        assert_eq!(offered("clutser").unwrap(), "did you mean `cluster`?");
        assert_eq!(
            offered("node").unwrap(),
            "did you mean `node`, `nodd` or `node_taint`?"
        );
        assert_eq!(offered("invoice"), None);
    }
}
