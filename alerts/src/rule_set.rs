//! Stage 1: which set of rules is in force. Evaluators with other files stand by, so two sets never mix.

use fleetledger_queries::live::RefusedFile;
use fleetledger_schema::instant::Instant;
use tokio_postgres::{Client, Transaction};

use crate::{
    errors::{AlertsError, while_},
    rules::{GroupSpec, RuleSet, ScheduledRule, unalerting},
};

/// Characters of a file's name that are kept: an entry of an index holds 2,700 bytes.
const MOST_NAME: usize = 500;
/// Characters of what is wrong with a file that are kept.
const MOST_REASON: usize = 8_000;

/// Whether this evaluator may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EvaluatorState {
    /// Its set is the active one.
    Running,
    /// Another set is active, and somebody runs it.
    Standby,
}

/// Says that this evaluator lives and which files it refuses, and takes its set into force if nobody runs another one.
///
/// A new set comes into force when the last evaluator of the old one has gone, or has read the new files as well. The
/// claims of the old set's evaluators end with it: each group's epoch moves.
pub(crate) async fn join(
    client: &mut Client,
    evaluator: &str,
    (rules, refused): (&RuleSet, &[RefusedFile]),
    lease_seconds: f64,
) -> Result<EvaluatorState, AlertsError> {
    let mut transaction = client.transaction().await.map_err(while_("join"))?;
    // One at a time: the row may not exist yet, so there is nothing else to lock.
    transaction
        .execute(TAKE_RULE_SET_LOCK, &[])
        .await
        .map_err(while_("join"))?;
    let active = transaction
        .query_opt(READ_ACTIVE_SET, &[])
        .await
        .map_err(while_("read the active rule set"))?;
    let active: Option<String> = active.map(|row| row.get(0));
    let evaluator_state = match active {
        Some(active) if active == rules.sha256 => EvaluatorState::Running,
        Some(active) if is_run_by_others(&transaction, evaluator, &active, lease_seconds).await? => {
            EvaluatorState::Standby
        }
        _ => {
            activate(&mut transaction, evaluator, rules).await?;
            EvaluatorState::Running
        }
    };
    let state = match evaluator_state {
        EvaluatorState::Running => "running",
        EvaluatorState::Standby => "standby",
    };
    transaction
        .execute(UPSERT_EVALUATOR, &[&evaluator, &rules.sha256, &state])
        .await
        .map_err(while_("report that this evaluator is alive"))?;
    let refused: serde_json::Value = refused.iter().map(refused_document).collect();
    transaction
        .execute(SYNC_REFUSED_RULES, &[&evaluator, &refused, &lease_seconds])
        .await
        .map_err(while_("report refused files"))?;
    transaction.commit().await.map_err(while_("join"))?;
    Ok(evaluator_state)
}

/// The row of a file in `ledger.refused_rule`. Whatever a broken file holds must not keep its evaluator from the others: what
/// PostgreSQL cannot store or index is left out.
fn refused_document(file: &RefusedFile) -> serde_json::Value {
    let storable = |text: &str, most: usize| -> String {
        let shown = text.chars().map(|letter| match letter {
            '\0' => char::REPLACEMENT_CHARACTER,
            letter => letter,
        });
        shown.take(most).collect()
    };
    serde_json::json!({
        "file": storable(&file.path.display().to_string(), MOST_NAME),
        "rule": storable(file.rule(), MOST_NAME),
        "reason": storable(&file.reason(), MOST_REASON),
        "since": file.since.to_string(),
    })
}

/// Gives everything back, so that others need not wait for the lease to end.
pub(crate) async fn leave(client: &Client, evaluator: &str) -> Result<(), AlertsError> {
    client
        .execute(RELEASE_GROUPS, &[&evaluator])
        .await
        .map_err(while_("release the groups"))?;
    client
        .execute(DELETE_EVALUATOR, &[&evaluator])
        .await
        .map_err(while_("leave"))?;
    Ok(())
}

async fn is_run_by_others(
    transaction: &Transaction<'_>,
    evaluator: &str,
    active: &str,
    lease_seconds: f64,
) -> Result<bool, AlertsError> {
    let row = transaction
        .query_one(IS_SET_IN_USE, &[&evaluator, &active, &lease_seconds])
        .await;
    Ok(row.map_err(while_("look for other evaluators"))?.get(0))
}

async fn activate(
    transaction: &mut Transaction<'_>,
    evaluator: &str,
    rules: &RuleSet,
) -> Result<(), AlertsError> {
    let step = || while_("activate the rule set");
    transaction
        .execute(ACTIVATE_SET, &[&rules.sha256, &evaluator])
        .await
        .map_err(step())?;
    transaction.execute(REVOKE_GROUPS, &[]).await.map_err(step())?;
    store_groups(transaction, rules.groups()).await?;
    store_rules(transaction, rules).await
}

async fn store_groups(transaction: &Transaction<'_>, groups: &[GroupSpec]) -> Result<(), AlertsError> {
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let intervals: Vec<f64> = groups.iter().map(|group| group.interval.as_secs_f64()).collect();
    transaction
        .execute(UPSERT_GROUPS, &[&names, &intervals])
        .await
        .map_err(while_("store the groups"))?;
    transaction
        .execute(REMOVE_GROUPS, &[&names])
        .await
        .map_err(while_("store the groups"))?;
    Ok(())
}

/// Brings `ledger.rule` in line. What only a run may change (identity, state, last slot) stays as it is, so that the
/// run notices.
async fn store_rules(transaction: &Transaction<'_>, rules: &RuleSet) -> Result<(), AlertsError> {
    let others = rules.catalogue.iter().filter_map(|query| unalerting(query));
    let documents: Vec<serde_json::Value> = rules
        .rules()
        .iter()
        .map(ScheduledRule::document)
        .chain(others)
        .collect();
    let ids: Vec<String> = documents
        .iter()
        .filter_map(|one| Some(one.get("rule")?.as_str()?.to_owned()))
        .collect();
    let document = serde_json::Value::Array(documents);
    transaction
        .execute(UPSERT_RULES, &[&document])
        .await
        .map_err(while_("store the rules"))?;
    for (new, old) in rules.renames() {
        rename(transaction, new, old).await?;
    }
    transaction
        .execute(REMOVE_RULES, &[&ids])
        .await
        .map_err(while_("store the rules"))?;
    Ok(())
}

/// The instances of a rule go on under its new id.
async fn rename(transaction: &Transaction<'_>, new: &str, old: &str) -> Result<(), AlertsError> {
    let step = || while_("rename a rule");
    if transaction
        .execute(TAKE_OVER_SLOT, &[&new, &old])
        .await
        .map_err(step())?
        == 0
    {
        return Ok(());
    }
    for rename in [RENAME_INSTANCES, RENAME_ACKS] {
        transaction.execute(rename, &[&new, &old]).await.map_err(step())?;
    }
    Ok(())
}

/// The database's clock: the one that slots and leases of all evaluators go by.
pub(crate) async fn now(client: &Client) -> Result<Instant, AlertsError> {
    let row = client.query_one(READ_CLOCK, &[]).await;
    Ok(row.map_err(while_("read the database's time"))?.get(0))
}

const TAKE_RULE_SET_LOCK: &str = "select ledger.take_lock('rule_set')";

const READ_ACTIVE_SET: &str = "select sha256 from ledger.rule_set";

const UPSERT_EVALUATOR: &str = "
    insert into ledger.evaluator as e (evaluator, rule_set, state, started_at, heartbeat_at)
    values ($1, $2, $3, clock_timestamp(), clock_timestamp())
    on conflict (evaluator) do update
        set rule_set = excluded.rule_set, state = excluded.state, heartbeat_at = excluded.heartbeat_at";

const RELEASE_GROUPS: &str = "update ledger.rule_group set owner = null, lease_until = null where owner = $1";

/// What this evaluator refuses takes the place of what it refused before; what one refused that has died is forgotten, as
/// whoever has its groups now reads the files too.
const SYNC_REFUSED_RULES: &str = "
    with current as (
        select * from jsonb_to_recordset($2) as d (file text, rule text, reason text, since timestamptz)
    ), gone as (
        delete from ledger.refused_rule as r
        where r.evaluator = $1 and not exists (select from current as c where c.file = r.file)
           or r.evaluator in (
               select e.evaluator from ledger.evaluator as e
               where e.evaluator <> $1 and e.heartbeat_at <= clock_timestamp() - make_interval(secs => $3)
           )
    )
    insert into ledger.refused_rule as r (evaluator, file, rule, reason, since)
    select distinct on (c.file) $1, c.file, c.rule, c.reason, c.since from current as c order by c.file, c.since
    on conflict (evaluator, file) do update set rule = excluded.rule, reason = excluded.reason, since = excluded.since
    where (r.rule, r.reason, r.since) is distinct from (excluded.rule, excluded.reason, excluded.since)";

const DELETE_EVALUATOR: &str = "delete from ledger.evaluator where evaluator = $1";

const IS_SET_IN_USE: &str = "
    select exists (
        select from ledger.evaluator
        where evaluator <> $1 and rule_set = $2 and state = 'running'
          and heartbeat_at > clock_timestamp() - make_interval(secs => $3)
    )";

const ACTIVATE_SET: &str = "
    insert into ledger.rule_set as s (sha256, generation, activated_at, activated_by)
    values ($1, 1, clock_timestamp(), $2)
    on conflict (only_row) do update set sha256 = excluded.sha256, generation = s.generation + 1,
        activated_at = excluded.activated_at, activated_by = excluded.activated_by";

const REVOKE_GROUPS: &str =
    "update ledger.rule_group set epoch = epoch + 1, owner = null, lease_until = null";

const UPSERT_GROUPS: &str = "
    insert into ledger.rule_group as g (rule_group, interval_seconds)
    select * from unnest($1::text[], $2::double precision[])
    on conflict (rule_group) do update set removed_at = null, interval_seconds = excluded.interval_seconds,
        -- A slot of another interval is no slot of this one.
        last_slot = case when g.interval_seconds = excluded.interval_seconds and g.removed_at is null
            then g.last_slot end";

const REMOVE_GROUPS: &str = "
    update ledger.rule_group set removed_at = clock_timestamp()
    where removed_at is null and not rule_group = any ($1)";

const UPSERT_RULES: &str = "
    insert into ledger.rule as r (rule, kind, rule_name, rule_group, file, version, identity, query_text,
        interval_seconds, for_seconds, mode, labels, annotations, receivers, loaded_at)
    select d.*, clock_timestamp()
    from jsonb_to_recordset($1) as d (rule text, kind text, rule_name text, rule_group text, file text, version text,
        identity text, query_text text, interval_seconds double precision, for_seconds double precision, mode text,
        labels jsonb, annotations jsonb, receivers text[])
    on conflict (rule) do update set kind = excluded.kind, rule_name = excluded.rule_name,
        rule_group = excluded.rule_group, file = excluded.file, version = excluded.version,
        query_text = excluded.query_text, interval_seconds = excluded.interval_seconds,
        for_seconds = excluded.for_seconds, mode = excluded.mode, labels = excluded.labels,
        annotations = excluded.annotations, receivers = excluded.receivers, removed_at = null,
        loaded_at = case when r.version = excluded.version then r.loaded_at else excluded.loaded_at end,
        state = case when r.state = 'removed' then 'new' else r.state end";

const REMOVE_RULES: &str = "
    update ledger.rule set removed_at = clock_timestamp(), state = 'removed', last_error = null, failures = 0,
        too_slow = 0, limit_exceeded = false
    where removed_at is null and not rule = any ($1)";

const TAKE_OVER_SLOT: &str = "
    update ledger.rule as n set identity = o.identity, last_slot = o.last_slot
    from ledger.rule as o
    where n.rule = $1 and o.rule = $2 and n.last_slot is null and o.last_slot is not null";

const RENAME_INSTANCES: &str = "update ledger.alert_instance set rule = $1 where rule = $2";

const RENAME_ACKS: &str = "update ledger.alert_ack set rule = $1 where rule = $2";

const READ_CLOCK: &str = "select clock_timestamp()";

#[cfg(test)]
mod tests {
    use fleetledger_queries::{QueryRefusal, refusal::FilePosition};

    use super::*;

    #[test]
    fn whatever_a_refused_file_holds_can_be_stored() {
        let what = format!("unknown key `a\0b`{}", "x".repeat(100_000));
        let document = refused_document(&RefusedFile {
            path: format!("/rules/{}.sql", "ü".repeat(2_000)).into(),
            refusals: vec![QueryRefusal::new("a.sql", FilePosition::line(3), what)],
            since: Instant::now(),
            version_in_use: None,
        });
        let text = |key: &str| document[key].as_str().unwrap().to_owned();
        assert!(!document.to_string().contains("\\u0000"));
        assert!(text("reason").starts_with("a.sql:3: unknown key `a\u{fffd}b`x"));
        assert_eq!(text("reason").chars().count(), MOST_REASON);
        assert!(text("file").len() <= 2 * MOST_NAME && text("rule").len() <= 2 * MOST_NAME);
    }
}
