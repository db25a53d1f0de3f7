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
fn example_file_is_accepted_but_for_files_that_are_elsewhere() {
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
            section = name.trim_start_matches('[').split(']').next().unwrap().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            let name = match section.split('.').collect::<Vec<_>>().as_slice() {
                ["receivers", _] => format!("receivers.NAME.{key}"),
                ["console", "tokens", _] => format!("console.tokens.NAME.{key}"),
                // A route within the list has the keys of the root and two of its own.
                ["routes", "routes"] if ["matchers", "continue"].contains(&key) => continue,
                ["routes", "routes"] => format!("routes.{key}"),
                _ => format!("{section}.{key}"),
            };
            assert!(known.contains(&name), "{name} is no key");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

/// The configuration inside the emitter's Deployment names known keys and opens the port that is probed.
#[test]
fn deployments_configuration_is_one_that_the_binary_reads() {
    let manifest = std::fs::read_to_string(workspace("deploy/kubernetes/emit-deployment.yaml")).unwrap();
    let lines = manifest
        .lines()
        .skip_while(|line| !line.contains("fleetledger.toml: |"))
        .skip(1);
    let inside = lines.take_while(|line| *line != "---").map(str::trim);
    let known = reference::key_names();
    let (mut section, mut seen) = (String::new(), Vec::new());
    for line in inside.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else {
            let (key, value) = line.split_once(" = ").unwrap();
            let name = format!("{section}.{key}");
            assert!(known.contains(&name), "{name} is no key");
            seen.push((name, value.to_owned()));
        }
    }
    let listen = seen
        .iter()
        .find(|(name, _)| name == "http.listen")
        .map(|(_, value)| value.as_str());
    assert_eq!(listen, Some("\"0.0.0.0:9650\""));
    assert!(manifest.contains("containerPort: 9650"));
}
