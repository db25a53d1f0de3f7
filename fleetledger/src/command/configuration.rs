//! `fleetledger config check` and `config reference`.

use anyhow::Context as _;

use crate::{
    cli::ConfigCommand,
    config::{LoadedConfig, reference},
    exit::ExitReason,
};

pub(super) fn run(loaded: &LoadedConfig, command: &ConfigCommand) -> anyhow::Result<ExitReason> {
    match command {
        ConfigCommand::Reference => print!("{}", reference::markdown()),
        ConfigCommand::Check => {
            // Options that are not set have no form in TOML, and secrets show as their references.
            print!(
                "{}",
                toml::to_string_pretty(&loaded.config).context("write the configuration as TOML")?
            );
            let place = loaded
                .file
                .as_ref()
                .map_or("no file".to_owned(), |file| file.display().to_string());
            eprintln!("configuration can be used ({place})");
        }
    }
    Ok(ExitReason::Done)
}
