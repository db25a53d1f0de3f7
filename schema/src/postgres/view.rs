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
//! A line `-- columns: pod` stands for the columns of that table which have no line of their own (see `view_columns`).
//! The sentence behind each column is its comment in the database and in the SQL reference. A script file holds
//! statements, run once for each schema (`both`) or `once`.

use tokio_postgres::{Transaction, error::SqlState};

use super::{
    MigrateError,
    cost_column::expand,
    file::{SqlFile, VIEW_FILES},
    literal::literal,
    repeatable::{dependents_of, run_in_rounds},
    view_columns,
};
use crate::{
    kind::RecordKind,
    row::{LedgerTable, container_table, table},
};

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
    let files = VIEW_FILES.iter().filter(|file| file.text.starts_with("-- view:"));
    files
        .map(|file| ViewFile::parse(file).map(|view| view.doc))
        .collect()
}

/// Makes every view and function of its file, in the order of the files.
pub(super) async fn make_all(transaction: &Transaction<'_>) -> Result<(), MigrateError> {
    for file in VIEW_FILES {
        for statement in statements(file)? {
            let made = transaction.batch_execute(&statement).await;
            made.map_err(MigrateError::statement(format!(
                "create the view of {}",
                file.name
            )))?;
        }
    }
    Ok(())
}

/// Drops every view and function of both schemas, newest first, in as many rounds as their dependencies need;
/// what cannot be dropped is held by somebody's own object, which is reported and never dropped with it.
pub(super) async fn drop_all(transaction: &mut Transaction<'_>) -> Result<(), MigrateError> {
    const LIST: &str = "
        select format('drop view %I.%I', n.nspname, c.relname), c.oid
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v'
        union all
        select format('drop function %s', p.oid::regprocedure), p.oid
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname in ('fleet', 'fleet_asof')
        order by 2 desc";
    let step = || MigrateError::statement("drop the views");
    let rows = transaction.query(LIST, &[]).await.map_err(step())?;
    let drops: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let held = run_in_rounds(
        transaction,
        drops,
        String::as_str,
        |_| "drop the views".to_owned(),
        &SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
    )
    .await?;
    match held.last() {
        None => Ok(()),
        Some((_, error)) => Err(MigrateError::Dependents {
            dependents: dependents_of(error),
        }),
    }
}

/// The statements a file stands for.
fn statements(file: &SqlFile) -> Result<Vec<String>, MigrateError> {
    let schemas: &[&str] = match file.text.lines().next() {
        Some("-- script: both") => &["fleet", "fleet_asof"],
        Some("-- script: once") => &["fleet"],
        _ => return ViewFile::parse(file).map(|view| view.statements()),
    };
    Ok(schemas
        .iter()
        .map(|schema| expand(file.text).replace("{schema}", schema))
        .collect())
}

struct ViewFile {
    doc: ViewDoc,
    /// The SELECT, comments taken out.
    body: String,
}

impl ViewFile {
    fn parse(file: &SqlFile) -> Result<Self, MigrateError> {
        let fail = |message: &str| MigrateError::ViewFile {
            file: file.name,
            message: message.to_owned(),
        };
        let text = expand(file.text);
        let text = view_columns::expand(&text).map_err(|message| fail(&message))?;
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
                    let comment = format!("All versions of: {}", self.doc.comment);
                    let extra = [
                        (
                            "valid_to",
                            "End of this version, exclusive; NULL for the current one.",
                        ),
                        (
                            "closed_reason",
                            "Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.",
                        ),
                    ];
                    let name = format!("{name}_history");
                    let body = self.history_body(None);
                    self.view("fleet", &name, &comment, &body, &extra, &mut statements);
                    let comment = format!("{comment} As of as_of().");
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
        let line = line.trim_start();
        let line = ["round(", "coalesce(", "case when "]
            .iter()
            .find_map(|before| line.strip_prefix(before))
            .unwrap_or(line);
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
                "    case when {alias}.valid_to <= {instant} then {alias}.valid_to end as valid_to,
    case when {alias}.valid_to <= {instant} then {alias}.closed_reason end as closed_reason\n"
            )),
        }
        let name = &self.doc.name;
        let columns = ledger_columns(table_of(name)).join(", ");
        body.push_str(&format!(
            "from (
    select {columns}, null::timestamptz as valid_to, null::text as closed_reason from ledger.{name}
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
    for (name, live, asof) in APPEND_ONLY {
        let source = instant.map_or_else(
            || (*live).to_owned(),
            |instant| asof.replace("{instant}", instant),
        );
        filled = filled.replace(&format!("{{{name}}}"), &source);
    }
    filled.replace("{team}", &team).replace("{freshness}", &freshness)
}

/// The ingester's append-only tables: name, the table, and what had been written into it at an instant.
const APPEND_ONLY: &[(&str, &str, &str)] = &[
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_file_parses() {
        assert!(documented_views().unwrap().iter().any(|view| view.name == "pod"));
    }

    #[test]
    fn history_leaves_out_what_other_tables_add() {
        let file = VIEW_FILES
            .iter()
            .find(|file| file.name == "30_container.sql")
            .unwrap();
        let body = ViewFile::parse(file).unwrap().history_body(None);
        assert!(body.contains("c.container,") && body.contains("c.closed_reason"));
        assert!(!body.contains("t.team") && !body.contains("p.workload"));
    }
}
