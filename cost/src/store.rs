//! Making the files stand in the database, closing months, rating ranges again.

use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Transaction};
use utoipa::ToSchema;

use crate::{
    definitions::{ClassPrices, CostDefinitions, NodeClass, PriceSheet, sha256_of},
    errors::{CostError, while_},
};

/// What applying the files changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionChanges {
    /// Price sheets that are new or say something else.
    pub sheets: Vec<String>,
    /// Price sheets that no longer stand.
    pub withdrawn: Vec<String>,
    /// True if the map of owners changed.
    pub owners: bool,
    /// True if what teams have set changed.
    pub teams: bool,
    /// True if the default of sharing changed.
    pub sharing: bool,
    /// Begin of the first rated hour that other prices or owners hold for now; rating it again is up to whoever asks.
    pub rated_before: Option<String>,
    /// Classes and labels that no object of the ledger can match, a sentence each.
    #[serde(default)]
    pub unmatched: Vec<String>,
}

impl DefinitionChanges {
    /// True if nothing changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let changes = Self {
            unmatched: Vec::new(),
            ..self.clone()
        };
        changes == Self::default()
    }
}

/// Makes a book stand. What the files hold of a kind is all there is of it; a kind they do not hold at all stays.
///
/// # Errors
/// [`CostError::Refused`] for another currency than that of hours that were rated; the database's.
pub async fn apply(
    client: &mut Client,
    book: &CostDefinitions,
    by: &str,
) -> Result<DefinitionChanges, CostError> {
    let step = "apply prices and owners";
    let transaction = client.transaction().await.map_err(while_(step))?;
    transaction
        .batch_execute(TAKE_APPLY_LOCK)
        .await
        .map_err(while_(step))?;
    let mut applied = DefinitionChanges::default();
    let mut since: Option<Timestamp> = None;
    if !book.sheets.is_empty() {
        check_currency(&transaction, book).await?;
        apply_sheets(&transaction, book, by, &mut applied, &mut since).await?;
    }
    if !book.owners.is_empty() {
        applied.owners = replace(&transaction, OWNERS, &book.owners, by).await?;
    }
    if !book.teams.is_empty() {
        applied.teams = replace(&transaction, TEAMS, &book.teams, by).await?;
    }
    if !book.sharing.is_empty() {
        applied.sharing = replace(&transaction, SHARING, &book.sharing, by).await?;
    }
    if applied.owners {
        let begins = book.owners.iter().map(|owner| owner.valid_from);
        since = begins.chain(since).min();
        transaction
            .batch_execute(APPLY_OWNERS)
            .await
            .map_err(while_("apply owners"))?;
    }
    if let Some(since) = since {
        let since = Instant::from_timestamp(since);
        let row = transaction
            .query_one(READ_FIRST_RATED_HOUR, &[&since])
            .await
            .map_err(while_(step))?;
        applied.rated_before = row.get::<_, Option<Instant>>(0).map(|at| at.to_string());
    }
    transaction.commit().await.map_err(while_(step))?;
    Ok(applied)
}

/// Amounts of two currencies cannot be summed, and what was rated is summed with what will be.
async fn check_currency(transaction: &Transaction<'_>, book: &CostDefinitions) -> Result<(), CostError> {
    let current = transaction
        .query_opt(READ_RATED_CURRENCY, &[])
        .await
        .map_err(while_("read the currency"))?;
    let stored: Option<String> = current.map(|row| row.get(0));
    let ours = book.sheets.first().map(|sheet| &sheet.currency);
    match (stored, ours) {
        (Some(stored), Some(ours)) if stored != *ours => Err(CostError::Refused(format!(
            "hours were rated in {stored}, but these sheets are in {ours}: amounts in different currencies \
             cannot be summed; write prices in {stored}"
        ))),
        _ => Ok(()),
    }
}

async fn apply_sheets(
    transaction: &Transaction<'_>,
    book: &CostDefinitions,
    by: &str,
    applied: &mut DefinitionChanges,
    since: &mut Option<Timestamp>,
) -> Result<(), CostError> {
    let step = "apply price sheets";
    let current = transaction
        .query(READ_CURRENT_SHEETS, &[])
        .await
        .map_err(while_(step))?;
    let mut kept = Vec::new();
    for sheet in &book.sheets {
        let (begin, sha256) = (Instant::from_timestamp(sheet.valid_from), sha256_of(sheet));
        let same = current.iter().find(|row| {
            row.get::<_, String>(1) == sheet.sheet
                && row.get::<_, Instant>(2) == begin
                && row.get::<_, String>(3) == sha256
        });
        match same {
            Some(row) => kept.push(row.get::<_, i32>(0)),
            None => applied.sheets.push(sheet.sheet.clone()),
        }
    }
    for row in &current {
        let (number, name, begin): (i32, String, Instant) = (row.get(0), row.get(1), row.get(2));
        if kept.contains(&number) {
            continue;
        }
        transaction
            .execute(SUPERSEDE_SHEET, &[&number])
            .await
            .map_err(while_(step))?;
        let replaced = book
            .sheets
            .iter()
            .any(|sheet| sheet.sheet == name && Instant::from_timestamp(sheet.valid_from) == begin);
        if !replaced {
            applied.withdrawn.push(name);
        }
        *since = begin.to_timestamp().into_iter().chain(*since).min();
    }
    for sheet in &book.sheets {
        let (begin, sha256) = (Instant::from_timestamp(sheet.valid_from), sha256_of(sheet));
        let is_kept = current.iter().any(|row| {
            kept.contains(&row.get::<_, i32>(0))
                && row.get::<_, String>(1) == sheet.sheet
                && row.get::<_, Instant>(2) == begin
        });
        if !is_kept {
            insert_sheet(transaction, sheet, &sha256, by).await?;
            *since = Some(sheet.valid_from).into_iter().chain(*since).min();
        }
    }
    Ok(())
}

async fn insert_sheet(
    transaction: &Transaction<'_>,
    sheet: &PriceSheet,
    sha256: &str,
    by: &str,
) -> Result<(), CostError> {
    let step = "store a price sheet";
    let end = sheet.valid_to.map(Instant::from_timestamp);
    let row = transaction
        .query_one(
            INSERT_SHEET,
            &[
                &sheet.sheet,
                &sheet.datacenters,
                &Instant::from_timestamp(sheet.valid_from),
                &end,
                &sheet.currency,
                &sheet.month_basis.as_str(),
                &sha256,
                &by,
            ],
        )
        .await
        .map_err(while_(step))?;
    let number: i32 = row.get(0);
    for (position, class) in (1_i32..).zip(&sheet.classes) {
        insert_class(transaction, number, position, class).await?;
    }
    Ok(())
}

async fn insert_class(
    transaction: &Transaction<'_>,
    sheet: i32,
    position: i32,
    class: &NodeClass,
) -> Result<(), CostError> {
    let labels = serde_json::json!(class.labels);
    let (per, node, resources, ratios) = match &class.prices {
        ClassPrices::Node {
            node,
            per,
            cpu_to_ram,
            gpu_to_ram,
        } => (per, Some(node), None, Some((cpu_to_ram, gpu_to_ram))),
        ClassPrices::Resources { core, gib, gpu, per } => (per, None, Some((core, gib, gpu)), None),
    };
    transaction
        .execute(
            INSERT_CLASS,
            &[
                &sheet,
                &position,
                &class.class,
                &class.instance_types,
                &labels,
                &per.as_str(),
                &node,
                &resources.map(|all| all.0),
                &resources.map(|all| all.1),
                &resources.map(|all| all.2),
                &ratios.map(|both| both.0),
                &ratios.map(|both| both.1),
                &class.discount,
            ],
        )
        .await
        .map_err(while_("store a class of nodes"))?;
    Ok(())
}

/// A table whose stored rows are replaced as a whole: its name, and its columns as they are read from JSON.
struct ReplacedTable {
    table: &'static str,
    columns: &'static str,
    select: &'static str,
    /// What the stored rows say, as the files would say it.
    current_columns: &'static str,
}

const OWNERS: ReplacedTable = ReplacedTable {
    table: "owner_map",
    columns: "position, datacenter, cluster, namespace, team, valid_from, valid_to",
    select: "r.place::integer, r.item ->> 'datacenter', r.item ->> 'cluster', r.item ->> 'namespace', r.item ->> 'team',
        (r.item ->> 'valid_from')::timestamptz, (r.item ->> 'valid_to')::timestamptz",
    current_columns: "position, datacenter, cluster, namespace, team, valid_from, valid_to",
};
const TEAMS: ReplacedTable = ReplacedTable {
    table: "cost_team",
    columns: "team, budget_per_month, allow_label_owner, valid_from, valid_to",
    select: "r.item ->> 'team', (r.item ->> 'budget_per_month')::numeric, r.item ->> 'allow_label_owner',
        (r.item ->> 'valid_from')::timestamptz, (r.item ->> 'valid_to')::timestamptz",
    current_columns: "team, budget_per_month, allow_label_owner, valid_from, valid_to",
};
const SHARING: ReplacedTable = ReplacedTable {
    table: "cost_sharing",
    columns: "namespaces, spread, idle, valid_from, valid_to",
    select: "array(select jsonb_array_elements_text(r.item -> 'namespaces')), r.item ->> 'spread', r.item ->> 'idle',
        (r.item ->> 'valid_from')::timestamptz, (r.item ->> 'valid_to')::timestamptz",
    current_columns: "namespaces, spread, idle, valid_from, valid_to",
};

/// Puts rows in place of those that stand, unless they say the same; whether anything changed.
async fn replace(
    transaction: &Transaction<'_>,
    of: ReplacedTable,
    rows: &impl Serialize,
    by: &str,
) -> Result<bool, CostError> {
    let step = "store owners, teams and sharing";
    let ReplacedTable {
        table,
        columns,
        select,
        current_columns: stored,
    } = of;
    let items = serde_json::json!(rows);
    let wanted = READ_GIVEN_ROWS_TEMPLATE.replace("{select}", select);
    let current = READ_CURRENT_ROWS_TEMPLATE
        .replace("{columns}", stored)
        .replace("{table}", table);
    let compare = ROWS_DIFFER_TEMPLATE
        .replace("{wanted}", &wanted)
        .replace("{current}", &current);
    let differs: bool = transaction
        .query_one(&compare, &[&items])
        .await
        .map_err(while_(step))?
        .get(0);
    if differs {
        let end = SUPERSEDE_ROWS_TEMPLATE.replace("{table}", table);
        transaction.execute(&end, &[]).await.map_err(while_(step))?;
        let insert = INSERT_ROWS_TEMPLATE
            .replace("{table}", table)
            .replace("{columns}", columns)
            .replace("{wanted}", &wanted);
        transaction
            .execute(&insert, &[&items, &by])
            .await
            .map_err(while_(step))?;
    }
    Ok(differs)
}

/// A closed month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedMonth {
    /// The month, such as 2026-04.
    pub month: String,
    /// What its nodes cost.
    pub cost: String,
    /// Currency of that.
    pub currency: Option<String>,
}

/// Closes a month, named like `2026-04`.
///
/// # Errors
/// [`CostError::Refused`] if it is not over, not rated or closed already.
pub async fn close(client: &Client, month: &str, by: &str) -> Result<ClosedMonth, CostError> {
    let begin = month_begin(month)?;
    let row = client
        .query_one(CLOSE_MONTH, &[&begin, &by])
        .await
        .map_err(while_("close a month"))?;
    Ok(ClosedMonth {
        month: month.to_owned(),
        cost: row.get(0),
        currency: row.get(1),
    })
}

fn month_begin(month: &str) -> Result<Instant, CostError> {
    Instant::parse(&format!("{month}-01T00:00:00Z"))
        .ok_or_else(|| CostError::Refused(format!("`{month}` is not a month such as 2026-04")))
}

const TAKE_APPLY_LOCK: &str = "select ledger.take_lock('cost_apply')";

/// Of every cluster, as of now.
pub(crate) const APPLY_OWNERS: &str =
    "select ledger.apply_owners(array(select cluster_id from ledger.cluster order by cluster_id), now())";

const READ_FIRST_RATED_HOUR: &str =
    "select min(hour_at) from ledger.cost_hour where hour_at + interval '1 hour' > $1";

const READ_RATED_CURRENCY: &str = "
    select s.currency from ledger.price_sheet as s
    where exists (select from ledger.cost_hour) order by s.sheet_id desc limit 1";

const READ_CURRENT_SHEETS: &str =
    "select sheet_id, sheet, valid_from, sha256 from ledger.price_sheet where superseded_at is null";

const SUPERSEDE_SHEET: &str = "update ledger.price_sheet set superseded_at = now() where sheet_id = $1";

const INSERT_SHEET: &str = "
    insert into ledger.price_sheet
        (sheet, datacenters, valid_from, valid_to, currency, month_basis, sha256, applied_by)
    values ($1, $2, $3, $4, $5, $6, $7, $8) returning sheet_id";

/// Numbers travel as text: PostgreSQL reads them exactly.
const INSERT_CLASS: &str = "
    insert into ledger.price_class
        (sheet_id, position, class, instance_types, labels, per, node_price, core_price, gib_price, gpu_price,
         cpu_to_ram, gpu_to_ram, discount)
    values ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8::text::numeric, $9::text::numeric, $10::text::numeric,
        $11::text::numeric, $12::text::numeric, $13::text::numeric)";

const CLOSE_MONTH: &str = "
    select round(ledger.cost_close($1, $2) / 1e9, 9)::text,
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1)";

const READ_GIVEN_ROWS_TEMPLATE: &str =
    "select {select} from jsonb_array_elements($1::jsonb) with ordinality as r (item, place)";

const READ_CURRENT_ROWS_TEMPLATE: &str = "select {columns} from ledger.{table} where superseded_at is null";

const ROWS_DIFFER_TEMPLATE: &str =
    "select exists ((({wanted}) except all ({current})) union all (({current}) except all ({wanted})))";

const SUPERSEDE_ROWS_TEMPLATE: &str =
    "update ledger.{table} set superseded_at = now() where superseded_at is null";

const INSERT_ROWS_TEMPLATE: &str =
    "insert into ledger.{table} (applied_by, {columns}) select $2, w.* from ({wanted}) as w";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_utc() {
        assert_eq!(
            month_begin("2026-02").unwrap(),
            Instant::parse("2026-02-01T00:00:00Z").unwrap()
        );
        for wrong in ["2026", "2026-13", "April", "2026-4"] {
            assert!(month_begin(wrong).is_err(), "{wrong}");
        }
    }
}
