//! Evaluator and console: who runs the rules' SQL, the rules themselves, who is told, and who may call.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_queries::{Catalogue, ReaderError, ReaderPool, catalogue, prepare};

use super::{CheckVerdict, DoctorObservations};
use crate::{
    config::{EvaluateConfig, FleetledgerConfig},
    output::counted,
    setup::receivers::receivers as configured_receivers,
};

/// Faults of one kind that are named; the rest is counted.
const NAMED: usize = 3;

/// Why nothing of it is looked at; `None` where an evaluator or a console is set up here.
fn skip_reason(config: &FleetledgerConfig) -> Option<CheckVerdict> {
    let is_plain = config.evaluate == EvaluateConfig::default() && config.receivers.is_empty();
    (is_plain && !config.evaluate.rules.exists()).then(|| {
        CheckVerdict::skipped(
            "no evaluator is configured here (sections [evaluate] and [receivers] are empty)",
        )
    })
}

/// Stored SQL runs as somebody who can read and nothing more.
pub(super) async fn reader(scene: &DoctorObservations) -> CheckVerdict {
    if let Some(skipped) = skip_reason(&scene.config).or_else(|| scene.postgres.get("postgres").err()) {
        return skipped;
    }
    let user = &scene.config.evaluate.rules_user;
    match &scene.reader {
        Err(why) => CheckVerdict::broken(
            why.clone(),
            "correct evaluate.rules_user and evaluate.rules_password",
        ),
        Ok(reader) => match reader.check_role().await {
            Ok(()) if *user == scene.config.evaluate.reader_user => CheckVerdict::broken(
                format!(
                    "rules run as {user}, which people log in as: whoever has its password can change it and \
                     end its sessions"
                ),
                "set evaluate.rules_user to fleetledger_rules, and let no person have its password",
            ),
            Ok(()) => CheckVerdict::well(format!("user {user}")),
            Err(ReaderError::TooMighty { why, .. }) => CheckVerdict::broken(
                format!("the rules' SQL would run as {user}, which {why}"),
                "set evaluate.rules_user to fleetledger_rules, or to another member of fleetledger_select alone",
            ),
            Err(ReaderError::Unavailable { why, .. }) => CheckVerdict::broken(
                format!("user {user} cannot log in: {why}"),
                format!(
                    "alter role {user} login; let pg_hba.conf accept it, and set evaluate.rules_password if it needs one"
                ),
            ),
        },
    }
}

/// The current user, what an evaluator may that it may not, and whether it is an ingester's user.
const LIST_MISSING_EVALUATE_GRANTS: &str = "
        select quote_ident(current_user), coalesce(string_agg(format('ledger.%I (%s)', c.relname, p.privilege), ', '), ''),
            pg_has_role('fleetledger_ingest', 'member') and not pg_has_role('fleetledger_evaluate', 'member')
        from pg_class as c
        cross join (values ('insert'), ('update'), ('delete'), ('select')) as p (privilege)
        where c.relnamespace = to_regnamespace('ledger') and c.relkind in ('r', 'p') and not c.relispartition
            and has_table_privilege('fleetledger_evaluate', c.oid, 'insert')
            and has_table_privilege('fleetledger_evaluate', c.oid, p.privilege)
            and not has_table_privilege(c.oid, p.privilege)";

/// The evaluator's own user may write what is the evaluator's.
pub(super) async fn grants(scene: &DoctorObservations) -> CheckVerdict {
    if let Some(skipped) = skip_reason(&scene.config) {
        return skipped;
    }
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match postgres.client.query_one(LIST_MISSING_EVALUATE_GRANTS, &[]).await {
        Err(_) => CheckVerdict::skipped("see postgres-migrated"),
        Ok(row) => {
            let (user, missing): (String, String) = (row.get(0), row.get(1));
            if missing.is_empty() {
                return CheckVerdict::well(format!("user {user}"));
            }
            if row.get(2) {
                return CheckVerdict::skipped(format!("user {user} is an ingester's; see postgres-grants"));
            }
            let first: Vec<&str> = missing.split(", ").take(NAMED).collect();
            CheckVerdict::broken(
                format!("user {user} lacks privileges: {} …", first.join(", ")),
                format!(
                    "grant fleetledger_evaluate to {user}, or let the evaluator log in as fleetledger_evaluate"
                ),
            )
        }
    }
}

/// Every file of the rules can be used, on this database where it answers.
pub(super) async fn rules(scene: &DoctorObservations) -> CheckVerdict {
    if let Some(skipped) = skip_reason(&scene.config) {
        return skipped;
    }
    let folder = &scene.config.evaluate.rules;
    let fix = format!("fleetledger rules check {} reports every fault", folder.display());
    if !folder.is_dir() {
        return CheckVerdict::broken(
            format!("evaluate.rules: folder {} not found", folder.display()),
            "put the rules there, or set evaluate.rules to the folder that holds them",
        );
    }
    let catalogue = match catalogue::load(folder) {
        Ok(catalogue) => catalogue,
        Err(refusals) => return refused(refusals.iter().map(ToString::to_string).collect(), fix),
    };
    match on_server(scene, &catalogue).await {
        Some(refusals) if !refusals.is_empty() => refused(refusals, fix),
        Some(_) => CheckVerdict::well(format!(
            "{}, prepared on this database",
            counted(catalogue.len(), "file")
        )),
        None => CheckVerdict::well(format!(
            "{}; the database was not checked for {}",
            counted(catalogue.len(), "file"),
            if catalogue.len() == 1 { "it" } else { "them" }
        )),
    }
}

/// What the server refuses; `None` where it cannot be asked as the reader.
async fn on_server(scene: &DoctorObservations, catalogue: &Catalogue) -> Option<Vec<String>> {
    scene.postgres.get("postgres").ok()?;
    let reader: &ReaderPool = scene.reader.as_ref().ok()?;
    reader.check_role().await.ok()?;
    let queries: Vec<_> = catalogue.iter().cloned().collect();
    let outcomes = prepare(reader, &queries).await.ok()?;
    let refusals = outcomes.into_iter().filter_map(Result::err).flatten();
    Some(refusals.map(|refusal| refusal.to_string()).collect())
}

fn refused(lines: Vec<String>, fix: String) -> CheckVerdict {
    let more = match lines.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; … {more} more"),
    };
    let first = lines.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    CheckVerdict::broken(format!("{first}{more}"), fix)
}

/// Every receiver can be set up: its secrets and certificates can be read.
pub(super) async fn receivers(scene: &DoctorObservations) -> CheckVerdict {
    let config = &scene.config;
    if let Some(skipped) = skip_reason(config) {
        return skipped;
    }
    if config.receivers.is_empty() {
        return CheckVerdict::broken(
            "no receiver is configured: alerts are evaluated, but nobody is notified",
            "add a section [receivers.NAME] and name it in a route",
        );
    }
    match configured_receivers(config) {
        Err(fault) => CheckVerdict::broken(
            format!("{}: {}", fault.key, fault.why),
            "store the secret where the reference points, readable by this user, or correct the section",
        ),
        Ok(_) => CheckVerdict::well(format!(
            "{}; fleetledger alerts drill NAME tests one",
            config.receivers.keys().cloned().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Every token of the console can be read, and is one person's.
pub(super) async fn tokens(scene: &DoctorObservations) -> CheckVerdict {
    let tokens = &scene.config.console.tokens;
    if tokens.is_empty() {
        return CheckVerdict::skipped("no token is configured: the console answers only this machine");
    }
    let fix = "store the token where the reference points, readable by this user, or correct the reference";
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (name, token) in tokens {
        match token.token.read(&format!("console.tokens.{name}.token")) {
            Err(fault) => return CheckVerdict::broken(format!("{}: {}", fault.key, fault.why), fix),
            Ok(secret) => {
                owners.entry(secret.expose().to_owned()).or_default().insert(name);
            }
        }
    }
    match owners.into_values().find(|owners| owners.len() > 1) {
        Some(owners) => CheckVerdict::broken(
            format!(
                "{} have the same token, so their actions cannot be told apart",
                owners.into_iter().collect::<Vec<_>>().join(" and ")
            ),
            "give each a token of its own, such as the output of: openssl rand -hex 32",
        ),
        None => CheckVerdict::well(format!("{} tokens", tokens.len())),
    }
}
