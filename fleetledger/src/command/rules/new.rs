//! `rules new`: files to begin with.

use std::io::Write as _;

use anyhow::Context as _;
use fleetledger_queries::QueryId;
use fleetledger_trials::scaffold;

use crate::{
    cli::{NewQueryKind, RulesNewArgs},
    exit::ExitReason,
};

pub(super) fn run(args: &RulesNewArgs) -> anyhow::Result<ExitReason> {
    let Some(id) = QueryId::parse(&args.name) else {
        anyhow::bail!(
            "`{}` cannot be the name of a query; write lowercase words with hyphens, such as node-not-reporting",
            args.name
        );
    };
    let kind = match args.kind {
        NewQueryKind::Alert => scaffold::NewKind::Alert,
        NewQueryKind::Record => scaffold::NewKind::Record,
        NewQueryKind::Rollup => scaffold::NewKind::Rollup,
        NewQueryKind::Report => scaffold::NewKind::Report,
    };
    let runbooks = super::runbooks(args.runbooks.as_ref(), &args.path);
    let files: Vec<_> = scaffold::files(&id, kind)
        .into_iter()
        .map(|file| {
            let root = if file.is_runbook { &runbooks } else { &args.path };
            (root.join(&file.path), file.text)
        })
        .collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        anyhow::bail!("{} is there already; nothing was written", path.display());
    }
    for (path, text) in files {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let mut file =
            std::fs::File::create_new(&path).with_context(|| format!("make {}", path.display()))?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("write {}", path.display()))?;
        println!("{}", path.display());
    }
    let folder = args.path.display();
    println!("edit them, then: fleetledger rules check {folder}");
    Ok(ExitReason::Done)
}
