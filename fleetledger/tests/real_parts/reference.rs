//! The configuration reference and the example file, held against the code.

use std::{collections::BTreeMap, path::PathBuf};

use fleetledger::config::{self, reference};

fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn configuration_reference_is_what_the_code_says() {
    let file = workspace("docs/configuration.md");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let wanted = reference::markdown();
    if written != wanted {
        std::fs::write(&file, wanted).unwrap();
        panic!("docs/configuration.md was not current; it has been written anew: look at it and commit it");
    }
}

#[test]
fn example_file_is_accepted_but_for_files_that_stand_elsewhere() {
    let file = workspace("deploy/config/fleetledger.toml");
    config::load_with(Some(&file), &BTreeMap::new()).unwrap();
}

/// Every key that the example shows, switched on or commented out, exists.
#[test]
fn example_file_names_known_keys_only() {
    let text = std::fs::read_to_string(workspace("deploy/config/fleetledger.toml")).unwrap();
    let known = reference::key_names();
    let (mut section, mut seen) = (String::new(), 0);
    for line in text.lines() {
        let line = line.trim_start_matches("# ").trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            let name = format!("{section}.{key}");
            assert!(known.contains(&name), "{name} is no key");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}
