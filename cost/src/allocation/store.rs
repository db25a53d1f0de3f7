//! Reads the rows of a question, as the reader.

use fleetledger_queries::ReaderPool;
use fleetledger_schema::instant::Instant;
use tokio_postgres::{Client, Row as PgRow};

use super::{
    dimension::AllocationDimension,
    naming::SharedNames,
    question::{AllocationQuery, SharingOptions},
    shape::{AllocationResponse, set},
    share::{AllocationAmounts, AllocationRow},
    window::CostWindow,
};
use crate::{
    definitions::SpreadMethod,
    errors::{CostError, while_},
    money::LARGEST_AMOUNT,
};

/// Pod-hours that are rated on demand at most: what two cores do in about ten seconds.
pub const POD_HOURS: i64 = 2_000_000;

/// Where rows come from: the coarsest that tells what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AllocationGrain {
    Namespaces,
    Lines,
    Pods,
}

/// Answers a question.
///
/// # Errors
/// [`CostError::TooLarge`] where it takes more pod-hours than are rated on demand; the database's.
pub async fn answer(
    reader: &ReaderPool,
    question: &AllocationQuery,
) -> Result<AllocationResponse, CostError> {
    let client = connect(reader).await?;
    let dimensions = question.dimensions();
    let labels = rollup_labels(&client).await?;
    let grain = if question.idle_by_node || dimensions.iter().any(|one| one.is_of_pods(&labels)) {
        check_size(&client, question.window).await?;
        AllocationGrain::Pods
    } else if dimensions.iter().all(AllocationDimension::is_of_namespaces) {
        AllocationGrain::Namespaces
    } else {
        AllocationGrain::Lines
    };
    let sql = sql(grain, &dimensions);
    let names = shared_names(&client, grain, question.window).await?;
    let mut data = Vec::with_capacity(question.steps.len());
    for step in &question.steps {
        let rows = rows(&client, &sql, &dimensions, *step).await?;
        data.push(set(question, &names, *step, rows));
    }
    let currency = client
        .query_opt(READ_CURRENCY, &[])
        .await
        .map_err(while_("read the currency"))?;
    Ok(AllocationResponse {
        code: 200,
        data,
        currency: currency.map(|row| row.get(0)),
    })
}

/// What the files say of sharing, as of now.
///
/// # Errors
/// The database's.
pub async fn default_share(reader: &ReaderPool) -> Result<SharingOptions, CostError> {
    let client = connect(reader).await?;
    let row = client
        .query_opt(READ_SHARING, &[])
        .await
        .map_err(while_("read the default sharing rule"))?;
    Ok(row.map_or_else(SharingOptions::default, |row| SharingOptions {
        namespaces: row.get::<_, Vec<String>>(0).into_iter().collect(),
        spread: match row.get::<_, String>(1).as_str() {
            "even" => SpreadMethod::Even,
            _ => SpreadMethod::Weighted,
        },
        idle: row.get::<_, String>(2) == "shared",
    }))
}

async fn connect(reader: &ReaderPool) -> Result<deadpool_postgres::Object, CostError> {
    reader.get().await.map_err(|error| CostError::Connect {
        step: "read cost",
        why: error.to_string(),
    })
}

async fn rollup_labels(client: &Client) -> Result<Vec<String>, CostError> {
    let row = client
        .query_one(READ_ROLLUP_LABELS, &[])
        .await
        .map_err(while_("read the labels that are rolled up"))?;
    Ok(row.get(0))
}

async fn shared_names(
    client: &Client,
    grain: AllocationGrain,
    window: CostWindow,
) -> Result<SharedNames, CostError> {
    let step = "read the names that several clusters have";
    let clusters = client.query(READ_SHARED_CLUSTER_NAMES, &[]);
    let clusters = clusters.await.map_err(while_(step))?;
    let nodes = match grain {
        AllocationGrain::Pods => {
            let (from, to) = ends(window);
            client
                .query(READ_SHARED_NODE_NAMES, &[&from, &to])
                .await
                .map_err(while_(step))?
        }
        AllocationGrain::Namespaces | AllocationGrain::Lines => Vec::new(),
    };
    Ok(SharedNames {
        clusters: clusters.iter().map(|row| row.get(0)).collect(),
        nodes: nodes.iter().map(|row| row.get(0)).collect(),
    })
}

/// Pods are not stored: they are rated for the question, and how many is known before.
async fn check_size(client: &Client, window: CostWindow) -> Result<(), CostError> {
    let (from, to) = ends(window);
    let row = client
        .query_one(COUNT_POD_HOURS, &[&from, &to])
        .await
        .map_err(while_("count pod-hours"))?;
    let count: i64 = row.get(0);
    if count > POD_HOURS {
        return Err(CostError::TooLarge(format!(
            "this window has {count} pod-hours; queries by node, pod, annotation or a label that is not \
             rolled up are limited to {POD_HOURS}: choose a shorter window, or add the label to \
             cost.rollup_labels"
        )));
    }
    Ok(())
}

fn ends(window: CostWindow) -> (Instant, Instant) {
    (
        Instant::from_timestamp(window.from),
        Instant::from_timestamp(window.to),
    )
}

fn sql(grain: AllocationGrain, dimensions: &[AllocationDimension]) -> String {
    let from = match grain {
        AllocationGrain::Namespaces => "fleet.cost_namespace_parts",
        AllocationGrain::Lines => "fleet.cost_line_parts",
        AllocationGrain::Pods => "fleet.cost_pod_parts",
    };
    let names: Vec<String> = dimensions
        .iter()
        .map(|dimension| format!("coalesce({}, '')", dimension.sql()))
        .collect();
    let groups: Vec<String> = (1..=names.len()).map(|place| place.to_string()).collect();
    // Names of labels come from whoever asks: last, so that nothing is looked for within them.
    READ_ALLOCATION_TEMPLATE
        .replace("{from}", from)
        .replace("{groups}", &groups.join(", "))
        .replace("{names}", &names.join(", "))
}

async fn rows(
    client: &Client,
    sql: &str,
    dimensions: &[AllocationDimension],
    window: CostWindow,
) -> Result<Vec<AllocationRow>, CostError> {
    let (from, to) = ends(window);
    let rows = client
        .query(sql, &[&from, &to])
        .await
        .map_err(while_("read cost"))?;
    Ok(rows.iter().map(|row| read(row, dimensions)).collect())
}

fn read(row: &PgRow, dimensions: &[AllocationDimension]) -> AllocationRow {
    let count = dimensions.len();
    let amount = |place: usize| whole(row.get(count + place));
    let gpu = amount(6);
    let instant = |place: usize| {
        row.get::<_, Option<Instant>>(count + place)
            .and_then(Instant::to_timestamp)
    };
    AllocationRow {
        names: dimensions
            .iter()
            .cloned()
            .zip((0..count).map(|place| row.get(place)))
            .collect(),
        own: [amount(0), amount(1), amount(2)],
        adjustment: amount(3),
        amounts: AllocationAmounts {
            charged: [amount(4), amount(5), gpu],
            requested: [amount(7), amount(8), gpu],
            used: [amount(9), amount(10), 0],
            life_ms: amount(11),
            usage_ms: amount(12),
        },
        lived: instant(13)
            .zip(instant(14))
            .map(|(from, to)| CostWindow { from, to }),
        ..AllocationRow::default()
    }
}

/// A whole number that the database sent as text; beyond the largest amount, that one.
fn whole(text: &str) -> i128 {
    match text.parse::<i128>() {
        Ok(number) => number.clamp(-LARGEST_AMOUNT, LARGEST_AMOUNT),
        Err(_) if text.starts_with('-') => -LARGEST_AMOUNT,
        Err(_) => LARGEST_AMOUNT,
    }
}

const READ_CURRENCY: &str = "select currency from fleet.price order by sheet_id desc limit 1";

const READ_SHARING: &str = "
    select namespaces, spread, idle from fleet.cost_sharing where valid_from <= now() and coalesce(valid_to, 'infinity') > now()
    order by valid_from desc limit 1";

const READ_ROLLUP_LABELS: &str = "select fleet.cost_rollup_labels()";

const READ_SHARED_CLUSTER_NAMES: &str =
    "select cluster from fleet.cluster group by cluster having count(distinct datacenter) > 1";

const READ_SHARED_NODE_NAMES: &str = "
    select node from fleet.cost_node_hourly
    where resource = 'cpu' and hour_at >= $1 and hour_at < $2
    group by node
    having count(distinct (datacenter, cluster)) > 1";

const COUNT_POD_HOURS: &str = "
    select coalesce(sum(pods), 0)::bigint
    from fleet.cost_run
    where is_current and hour_at >= $1 and hour_at < $2";

/// Sums of a window go beyond 64 bits: they travel as text.
const READ_ALLOCATION_TEMPLATE: &str = "
    select {names}, round(sum(p.cpu_nanos))::text, round(sum(p.memory_nanos))::text, round(sum(p.gpu_nanos))::text,
        round(sum(p.adjustment_nanos))::text, round(sum(p.cpu_charged_core_us))::text, round(sum(p.memory_charged_byte_seconds))::text,
        round(sum(p.gpu_charged_card_us))::text, round(sum(p.cpu_requested_core_us))::text, round(sum(p.memory_requested_byte_seconds))::text,
        round(sum(p.cpu_used_core_us))::text, round(sum(p.memory_used_byte_seconds))::text, round(sum(p.life_ms))::text, round(sum(p.usage_ms))::text,
        min(p.first_at), max(p.last_at)
    from {from}($1, $2) as p
    group by {groups}";
