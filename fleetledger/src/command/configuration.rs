//! `fleetledger config check` and `config reference`.

use anyhow::Context as _;

use crate::{
    cli::ConfigCommand,
    config::{LoadedConfig, exposed, reference, shown},
    exit::ExitReason,
};

pub(super) fn run(loaded: &LoadedConfig, command: &ConfigCommand) -> anyhow::Result<ExitReason> {
    match command {
        ConfigCommand::Reference => print!("{}", reference::markdown()),
        ConfigCommand::Check => {
            print!(
                "{}",
                shown(&loaded.config).context("write the configuration as TOML")?
            );
            let place = loaded
                .file
                .as_ref()
                .map_or("no file".to_owned(), |file| file.display().to_string());
            for way in exposed(&loaded.config) {
                eprintln!("warning: {}: {}; {}", way.key, way.why, way.fix);
            }
            eprintln!("configuration can be used ({place})");
        }
    }
    Ok(ExitReason::Done)
}
