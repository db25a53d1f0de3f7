//! Views and functions of schemas `fleet` and `fleet_asof`, made from `postgres/views/*.sql`.
//!
//! A view file holds one SELECT and says in its head in which forms it stands:
//!
//! * `live` – `fleet.<view>`: current state, nothing else to plan.
//! * `asof` – `fleet_asof.<view>`: current state and history as of `as_of()`, same columns.
//! * `at` – `fleet.<view>_at(instant)`: the same for an instant given in the call.
//! * `history` – `fleet.<view>_history`: every version with `valid_to` and `closed_reason`; what other tables
//!   would add (team, the pod of a container) is left out, because it has a history of its own. In `fleet_asof`
//!   the same as it stood at `as_of()`.
//!
//! The sentence behind each column is its comment in the database and in the SQL reference. A script file holds
//! statements, run once for each schema (`both`) or `once`.

use tokio_postgres::{Client, Transaction, error::SqlState};

use super::{
    MigrateError,
    literal::literal,
    migrate::{checksum, set_lock_timeout},
};
use crate::{
    kind::RecordKind,
    row::{LedgerTable, container_table, table},
};

macro_rules! view_file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../postgres/views/", $name)))
    };
}

const FILES: &[(&str, &str)] = &[
    view_file!("00_as_of.sql"),
    view_file!("01_window.sql"),
    view_file!("10_node.sql"),
    view_file!("20_pod.sql"),
    view_file!("21_node_request.sql"),
    view_file!("30_container.sql"),
    view_file!("40_namespace.sql"),
    view_file!("50_workload.sql"),
    view_file!("60_watchdog.sql"),
    view_file!("70_cluster.sql"),
    view_file!("71_freshness.sql"),
    view_file!("72_balance.sql"),
    view_file!("73_sweep.sql"),
    view_file!("74_ingest_partition.sql"),
    view_file!("75_batch.sql"),
    view_file!("76_dead_letter.sql"),
    view_file!("77_quarantine.sql"),
    view_file!("78_gap.sql"),
    view_file!("79_emitter.sql"),
    view_file!("80_node_condition.sql"),
    view_file!("81_node_taint.sql"),
    view_file!("82_pod_condition.sql"),
    view_file!("83_host_path_mount.sql"),
    view_file!("84_alert.sql"),
    view_file!("85_alert_history.sql"),
    view_file!("86_rule.sql"),
    view_file!("87_rule_run.sql"),
    view_file!("88_snooze.sql"),
    view_file!("89_notification.sql"),
    view_file!("90_user_rollup.sql"),
    view_file!("91_rollup_window.sql"),
    view_file!("92_usage_hourly.sql"),
    view_file!("93_usage_coverage.sql"),
    view_file!("94_cluster_restarts.sql"),
    view_file!("94_cluster_sample.sql"),
    view_file!("94_cost_adjustment.sql"),
    view_file!("94_cost_balance.sql"),
    view_file!("94_cost_daily.sql"),
    view_file!("94_cost_hourly.sql"),
    view_file!("94_cost_monthly.sql"),
    view_file!("94_cost_node_daily.sql"),
    view_file!("94_cost_node_hourly.sql"),
    view_file!("94_cost_run.sql"),
    view_file!("94_cost_sharing.sql"),
    view_file!("94_cost_workload_daily.sql"),
    view_file!("94_namespace_sample.sql"),
    view_file!("94_price.sql"),
    view_file!("94_team_budget.sql"),
    view_file!("95_cost_by.sql"),
    view_file!("95_cost_focus.sql"),
    view_file!("95_cost_idle.sql"),
    view_file!("95_cost_pod.sql"),
    view_file!("95_ingest_sample.sql"),
    view_file!("96_cost_range.sql"),
    view_file!("96_over_time.sql"),
    view_file!("97_states.sql"),
    view_file!("98_changes.sql"),
    view_file!("99_grant.sql"),
];

/// A documented column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewColumn {
    /// Name.
    pub name: String,
    /// Its comment.
    pub comment: String,
}

/// A documented view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDoc {
    /// Name within `fleet`.
    pub name: String,
    /// Its comment.
    pub comment: String,
    /// `live`, `asof`, `at`, `history`.
    pub forms: Vec<String>,
    /// Columns, in order.
    pub columns: Vec<ViewColumn>,
}

/// Every view as its file documents it, in file order.
///
/// # Errors
/// [`MigrateError::ViewFile`] if a file is not of the form above.
pub fn documented_views() -> Result<Vec<ViewDoc>, MigrateError> {
    let files = FILES.iter().filter(|(_, text)| text.starts_with("-- view:"));
    files
        .map(|(file, text)| ViewFile::parse(file, text).map(|view| view.doc))
        .collect()
}

/// True if the views that stand were made from these very texts.
pub(super) async fn are_current(client: &Client) -> Result<bool, MigrateError> {
    let row = client.query_opt(READ_VIEW_SET, &[]).await;
    let row = row.map_err(MigrateError::statement("read ledger.view_set"))?;
    Ok(row.is_some_and(|row| row.get::<_, String>(0) == all_texts_checksum()))
}

/// Makes the views anew if any text changed, or `force`.
pub(super) async fn replace(
    client: &mut Client,
    force: bool,
    progress: &mut impl FnMut(&str),
) -> Result<bool, MigrateError> {
    if !force && are_current(client).await? {
        return Ok(false);
    }
    progress("replacing views");
    let step = || MigrateError::statement("replace the views");
    let mut transaction = client.transaction().await.map_err(step())?;
    set_lock_timeout(&transaction).await?;
    drop_all(&mut transaction).await?;
    for (file, text) in FILES {
        for statement in statements(file, text)? {
            let made = transaction.batch_execute(&statement).await;
            made.map_err(MigrateError::statement(format!("make view of {file}")))?;
        }
    }
    transaction
        .execute(UPSERT_VIEW_SET, &[&all_texts_checksum()])
        .await
        .map_err(step())?;
    transaction.commit().await.map_err(step())?;
    Ok(true)
}

/// Drops every view and function of both schemas, newest first, in as many rounds as their dependencies need;
/// what cannot be dropped is held by somebody's own object, which is reported and never dropped with it.
async fn drop_all(transaction: &mut Transaction<'_>) -> Result<(), MigrateError> {
    const LIST_OWN_OBJECTS: &str = "
        select format('drop view %I.%I', n.nspname, c.relname), c.oid
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v'
        union all
        select format('drop function %s', p.oid::regprocedure), p.oid
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname in ('fleet', 'fleet_asof')
        order by 2 desc";
    let step = || MigrateError::statement("drop the views");
    let rows = transaction.query(LIST_OWN_OBJECTS, &[]).await.map_err(step())?;
    let mut left: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    while !left.is_empty() {
        let before = left.len();
        let mut held = Vec::new();
        let mut dependents = String::new();
        for drop in left {
            let savepoint = transaction.transaction().await.map_err(step())?;
            match savepoint.batch_execute(&drop).await {
                Ok(()) => savepoint.commit().await.map_err(step())?,
                Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                    let detail = error.as_db_error().and_then(|db| db.detail()).unwrap_or_default();
                    dependents = detail.replace('\n', "; ");
                    savepoint.rollback().await.map_err(step())?;
                    held.push(drop);
                }
                Err(error) => return Err(step()(error)),
            }
        }
        if held.len() == before {
            return Err(MigrateError::Dependents { dependents });
        }
        left = held;
    }
    Ok(())
}

fn all_texts_checksum() -> String {
    let texts: Vec<String> = FILES
        .iter()
        .map(|(file, text)| format!("{file}\n{text}"))
        .collect();
    checksum(&texts.join("\n"))
}

/// The statements a file stands for.
fn statements(file: &'static str, text: &str) -> Result<Vec<String>, MigrateError> {
    let schemas: &[&str] = match text.lines().next() {
        Some("-- script: both") => &["fleet", "fleet_asof"],
        Some("-- script: once") => &["fleet"],
        _ => return ViewFile::parse(file, text).map(|view| view.statements()),
    };
    Ok(schemas
        .iter()
        .map(|schema| text.replace("{schema}", schema))
        .collect())
}

struct ViewFile {
    doc: ViewDoc,
    /// The SELECT, comments taken out.
    body: String,
}

impl ViewFile {
    fn parse(file: &'static str, text: &str) -> Result<Self, MigrateError> {
        let fail = |message: &str| MigrateError::ViewFile {
            file,
            message: message.to_owned(),
        };
        let mut lines = text.lines();
        let mut head = |prefix: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(prefix))
                .map(str::to_owned)
                .ok_or_else(|| fail(prefix))
        };
        let name = head("-- view: ")?;
        let forms = head("-- forms: ")?.split(' ').map(str::to_owned).collect();
        let comment = head("-- ")?;
        let mut columns = Vec::new();
        let mut body = String::new();
        for line in lines {
            let (code, comment) = line.split_once(" -- ").unwrap_or((line, ""));
            if !comment.is_empty() {
                let name = code
                    .trim_end()
                    .trim_end_matches(',')
                    .rsplit([' ', '.'])
                    .next()
                    .unwrap_or_default();
                columns.push(ViewColumn {
                    name: name.to_owned(),
                    comment: comment.to_owned(),
                });
            }
            body.push_str(code.trim_end());
            body.push('\n');
        }
        if columns.is_empty() {
            return Err(fail("no column has a comment"));
        }
        Ok(Self {
            doc: ViewDoc {
                name,
                comment,
                forms,
                columns,
            },
            body,
        })
    }

    fn statements(&self) -> Vec<String> {
        let name = &self.doc.name;
        let mut statements = Vec::new();
        for form in &self.doc.forms {
            match form.as_str() {
                "live" => {
                    self.view(
                        "fleet",
                        name,
                        &self.doc.comment,
                        &fill(&self.body, "fleet", None),
                        &[],
                        &mut statements,
                    );
                }
                "asof" => {
                    let body = fill(&self.body, "fleet_asof", Some("fleet_asof.as_of()"));
                    let comment = format!("{} As of as_of().", self.doc.comment);
                    self.view("fleet_asof", name, &comment, &body, &[], &mut statements);
                }
                "at" => {
                    let body = fill(&self.body, "fleet", Some("instant"));
                    statements.push(format!(
                        "create function fleet.{name}_at(instant timestamptz) returns setof fleet.{name}
                         language sql stable parallel safe begin atomic\n{body};\nend"
                    ));
                    statements.push(format!(
                        "comment on function fleet.{name}_at is {}",
                        literal(&format!("{} As of the given instant.", self.doc.comment))
                    ));
                }
                _ => {
                    let comment = format!("Every version there was of: {}", self.doc.comment);
                    let extra = [
                        (
                            "valid_to",
                            "End of this version, exclusive; infinity for the one that stands.",
                        ),
                        (
                            "closed_reason",
                            "Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.",
                        ),
                    ];
                    let name = format!("{name}_history");
                    let body = self.history_body(None);
                    self.view("fleet", &name, &comment, &body, &extra, &mut statements);
                    let comment = format!("{comment} As it stood at as_of().");
                    let body = self.history_body(Some("fleet_asof.as_of()"));
                    self.view("fleet_asof", &name, &comment, &body, &extra, &mut statements);
                }
            }
        }
        statements
    }

    fn view(
        &self,
        schema: &str,
        name: &str,
        comment: &str,
        body: &str,
        extra: &[(&str, &str)],
        statements: &mut Vec<String>,
    ) {
        statements.push(format!(
            "create view {schema}.{name} with (security_invoker = true) as\n{body}"
        ));
        statements.push(format!("comment on view {schema}.{name} is {}", literal(comment)));
        let is_history = !extra.is_empty();
        let own = self
            .doc
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column.comment.as_str()));
        let own = own.filter(|(name, _)| !is_history || self.is_own_column(name));
        for (column, comment) in own.chain(extra.iter().copied()) {
            statements.push(format!(
                "comment on column {schema}.{name}.{column} is {}",
                literal(comment)
            ));
        }
    }

    /// Alias of the table the view is about, such as `p` in `from {pod} as p`.
    fn alias(&self) -> &str {
        let from = self.body.lines().find_map(|line| line.strip_prefix("from {"));
        from.and_then(|rest| rest.rsplit(' ').next()).unwrap_or_default()
    }

    /// True for a select line of the view's own table or of the cluster.
    fn is_own_line(&self, line: &str) -> bool {
        let line = line.trim_start().trim_start_matches("round(");
        line.starts_with(&format!("{}.", self.alias())) || line.starts_with("l.")
    }

    fn is_own_column(&self, name: &str) -> bool {
        self.body.lines().any(|line| {
            let code = line.trim_end().trim_end_matches(',');
            self.is_own_line(line) && code.rsplit([' ', '.']).next() == Some(name)
        })
    }

    /// Every version, or those that had begun at an instant: what ended later had not ended then.
    fn history_body(&self, instant: Option<&str>) -> String {
        let alias = self.alias();
        let mut body = String::from("select\n");
        let select = self
            .body
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with("from "));
        for line in select.filter(|line| self.is_own_line(line)) {
            body.push_str(line.trim_end_matches(','));
            body.push_str(",\n");
        }
        match instant {
            None => body.push_str(&format!("    {alias}.valid_to,\n    {alias}.closed_reason\n")),
            Some(instant) => body.push_str(&format!(
                "    case when {alias}.valid_to > {instant} then 'infinity' else {alias}.valid_to end as valid_to,
    case when {alias}.valid_to <= {instant} then {alias}.closed_reason end as closed_reason\n"
            )),
        }
        let name = &self.doc.name;
        let columns = ledger_columns(table_of(name)).join(", ");
        body.push_str(&format!(
            "from (
    select {columns}, 'infinity'::timestamptz as valid_to, null::text as closed_reason from ledger.{name}
    union all
    select {columns}, valid_to, closed_reason from ledger.{name}_history
) as {alias}
join ledger.cluster as l using (cluster_id)"
        ));
        if let Some(instant) = instant {
            body.push_str(&format!("\nwhere {alias}.valid_from <= {instant}"));
        }
        body
    }
}

/// Puts tables in place of `{pod}`, `{team}` and so on: current ones, or current and history at an instant.
fn fill(body: &str, schema: &str, instant: Option<&str>) -> String {
    let mut filled = body
        .replace("{schema}", schema)
        .replace("{cluster}", "ledger.cluster");
    for name in ["node", "pod", "container", "namespace", "workload", "watchdog"] {
        let source = match instant {
            None => format!("ledger.{name}"),
            Some(instant) => {
                let columns = ledger_columns(table_of(name)).join(", ");
                versions_at(&format!("ledger.{name}"), &columns, instant)
            }
        };
        filled = filled.replace(&format!("{{{name}}}"), &source);
    }
    let team = match instant {
        None => "ledger.namespace_team".to_owned(),
        Some(instant) => versions_at("ledger.namespace_team", "cluster_id, namespace, team", instant),
    };
    let freshness = match instant {
        None => "ledger.freshness".to_owned(),
        // The row of a minute says what was known at its end, so it may run ahead of the instant.
        Some(instant) => format!(
            "(
    select f.cluster_id, f.kind, least(h.observed_at, {instant}) as observed_at
    from ledger.freshness as f
    cross join lateral (
        select observed_at from ledger.freshness_history as h
        where h.cluster_id = f.cluster_id and h.kind = f.kind and h.minute_at <= {instant}
        order by h.minute_at desc limit 1
    ) as h
)"
        ),
    };
    for (name, live, asof) in APPEND_ONLY_TABLES {
        let source = instant.map_or_else(
            || (*live).to_owned(),
            |instant| asof.replace("{instant}", instant),
        );
        filled = filled.replace(&format!("{{{name}}}"), &source);
    }
    filled.replace("{team}", &team).replace("{freshness}", &freshness)
}

/// The ingester's append-only books: name, the table, and what had been written into it at an instant.
const APPEND_ONLY_TABLES: &[(&str, &str, &str)] = &[
    (
        "batch",
        "ledger.batch",
        "(select * from ledger.batch where committed_at <= {instant})",
    ),
    (
        "dead_letter",
        "ledger.dead_letter",
        "(
    select dead_letter_id, topic, partition, record_offset, kafka_at, datacenter, cluster, kind, uid, reason, detail,
        schema_ref, died_at, case when settled_at > {instant} then 'open' else state end as state,
        case when settled_at <= {instant} then settled_at end as settled_at
    from ledger.dead_letter
    where died_at <= {instant}
)",
    ),
    (
        "gap",
        "ledger.ingest_gap",
        "(
    select topic, partition, from_offset, to_offset, reason, policy, found_at,
        case when healed_at <= {instant} then healed_at end as healed_at
    from ledger.ingest_gap
    where found_at <= {instant}
)",
    ),
    (
        "quarantine",
        "ledger.quarantine",
        "(
    select quarantine_id, datacenter, cluster, cluster_uid, topic, reason, detail, since,
        case when released_at <= {instant} then released_at end as released_at, records
    from ledger.quarantine
    where since <= {instant}
)",
    ),
];

fn versions_at(table: &str, columns: &str, instant: &str) -> String {
    format!(
        "(
    select {columns} from {table} where valid_from <= {instant}
    union all
    select {columns} from {table}_history where valid_from <= {instant} and valid_to > {instant}
)"
    )
}

fn table_of(name: &str) -> &'static LedgerTable {
    RecordKind::parse(name).map_or_else(container_table, table)
}

fn ledger_columns(table: &LedgerTable) -> Vec<&'static str> {
    let own = table.columns.iter().map(|column| column.name);
    ["cluster_id"]
        .into_iter()
        .chain(own)
        .chain(table.meta.iter().copied())
        .collect()
}

const READ_VIEW_SET: &str = "select sha256 from ledger.view_set";

const UPSERT_VIEW_SET: &str = "
    insert into ledger.view_set (sha256) values ($1)
    on conflict (only_row) do update set sha256 = excluded.sha256, replaced_at = now()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_file_is_listed_in_order_and_parses() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres/views");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(
            files,
            FILES
                .iter()
                .map(|(file, _)| (*file).to_owned())
                .collect::<Vec<_>>()
        );
        assert!(documented_views().unwrap().iter().any(|view| view.name == "pod"));
    }

    #[test]
    fn history_leaves_out_what_other_tables_add() {
        let (file, text) = FILES
            .iter()
            .find(|(file, _)| *file == "30_container.sql")
            .copied()
            .unwrap();
        let body = ViewFile::parse(file, text).unwrap().history_body(None);
        assert!(body.contains("c.container,") && body.contains("c.closed_reason"));
        assert!(!body.contains("t.team") && !body.contains("p.workload"));
    }
}
