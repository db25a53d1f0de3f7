//! Does the current state equal what was delivered? One scan per kind over all clusters, in one snapshot with the folds.
//!
//! Rows whose object has an open dead key count with that key's hash instead of their own. Containers are compared
//! with what their pods say. A disagreement raises the generation once, and again after each sweep that did not heal
//! it; the next sweep then lands unconditionally.

use fleetledger_schema::{kind::RecordKind, row};
use tokio_postgres::{Client, Transaction};

const STORE: &str = "
insert into ledger.table_sum as t (cluster_id, kind, table_count, fold_count, dead_count, agrees, checked_at, disagrees_since)
select $1, $2, $3, $4, $5, $6, now(), case when $6 then null else now() end
on conflict (cluster_id, kind) do update set table_count = excluded.table_count, fold_count = excluded.fold_count,
    dead_count = excluded.dead_count, agrees = excluded.agrees, checked_at = excluded.checked_at,
    disagrees_since = case when excluded.agrees then null else coalesce(t.disagrees_since, excluded.disagrees_since) end";

/// Raised where this is news, or where a sweep has passed without healing it.
const RAISE: &str = "
insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
values ($1, $2, 1, now(), $3)
on conflict (cluster_id, kind) do update
set generation = k.generation + 1, raised_at = now(), raised_reason = excluded.raised_reason";

/// What one comparison found.
struct TableSum {
    cluster_id: i32,
    table_count: i64,
    fold_count: i64,
    dead_count: i64,
    agrees: bool,
    /// True if a raise has not been answered by a sweep yet.
    waits: bool,
}

/// Compares every kind; returns how many (cluster, kind) pairs disagree.
pub(crate) async fn compare(client: &mut Client) -> Result<usize, tokio_postgres::Error> {
    let mut disagreements = 0;
    for kind in RecordKind::ALL {
        let sums = {
            let snapshot = client
                .build_transaction()
                .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            let sums = sum(&snapshot, kind).await?;
            snapshot.commit().await?;
            sums
        };
        for found in &sums {
            store(client, kind, found).await?;
            disagreements += usize::from(!found.agrees);
        }
    }
    Ok(disagreements)
}

async fn sum(snapshot: &Transaction<'_>, kind: RecordKind) -> Result<Vec<TableSum>, tokio_postgres::Error> {
    let statement = statement(kind);
    let rows = snapshot.query(&statement, &[&kind.number()]).await?;
    rows.iter()
        .map(|row| {
            Ok(TableSum {
                cluster_id: row.try_get("cluster_id")?,
                table_count: row.try_get("table_count")?,
                fold_count: row.try_get("fold_count")?,
                dead_count: row.try_get("dead_count")?,
                agrees: row.try_get("agrees")?,
                waits: row.try_get("waits")?,
            })
        })
        .collect()
}

fn statement(kind: RecordKind) -> String {
    let (extra, containers, agrees) = if kind == RecordKind::Pod {
        (
            ", coalesce(sum(p.containers_count), 0)::bigint as containers_count, coalesce(bit_xor(p.containers_xor_hi), 0) as containers_hi, coalesce(bit_xor(p.containers_xor_lo), 0) as containers_lo",
            ", containers as (
    select cluster_id, count(*) as containers, bit_xor(row_hash_hi) as hi, bit_xor(row_hash_lo) as lo
    from ledger.container group by cluster_id
)",
            " and (coalesce(s.containers_count, 0), coalesce(s.containers_hi, 0), coalesce(s.containers_lo, 0))
        = (coalesce(n.containers, 0), coalesce(n.hi, 0), coalesce(n.lo, 0))",
        )
    } else {
        ("", "", "")
    };
    let join = if kind == RecordKind::Pod {
        "left join containers as n using (cluster_id)"
    } else {
        ""
    };
    format!(
        "with current_rows as (
    select p.cluster_id, count(*) as row_count, count(*) filter (where k.uid is null) as sound,
        coalesce(bit_xor(p.body_hash_hi) filter (where k.uid is null), 0) as hi,
        coalesce(bit_xor(p.body_hash_lo) filter (where k.uid is null), 0) as lo{extra}
    from ledger.{table} as p
    left join ledger.dead_key as k on k.cluster_id = p.cluster_id and k.kind = $1 and k.uid = p.uid
    group by p.cluster_id
), dead as (
    select cluster_id, count(*) as dead, bit_xor(hash_hi) as hi, bit_xor(hash_lo) as lo
    from ledger.dead_key where kind = $1 group by cluster_id
), fold as (
    select cluster_id, sum(fold_count)::bigint as folded, bit_xor(fold_hi) as hi, bit_xor(fold_lo) as lo
    from ledger.balance where kind = $1 group by cluster_id
){containers}
select cluster_id, coalesce(s.row_count, 0) as table_count, f.folded as fold_count, coalesce(d.dead, 0) as dead_count,
    coalesce(s.sound, 0) + coalesce(d.dead, 0) = f.folded
        and coalesce(s.hi, 0) # coalesce(d.hi, 0) = f.hi and coalesce(s.lo, 0) # coalesce(d.lo, 0) = f.lo{agrees} as agrees,
    exists (select from ledger.kind_state as g where g.cluster_id = f.cluster_id and g.kind = $1
        and g.generation > (select coalesce(min(w.healed_generation), 0) from ledger.sweep as w
            where w.cluster_id = f.cluster_id and w.kind = $1)) as waits
from fold as f
join ledger.cluster as c using (cluster_id)
left join current_rows as s using (cluster_id)
left join dead as d using (cluster_id)
{join}
where c.state = 'active'
order by cluster_id",
        table = row::table(kind).name,
    )
}

async fn store(client: &Client, kind: RecordKind, found: &TableSum) -> Result<(), tokio_postgres::Error> {
    let number = kind.number();
    client
        .execute(
            STORE,
            &[
                &found.cluster_id,
                &number,
                &found.table_count,
                &found.fold_count,
                &found.dead_count,
                &found.agrees,
            ],
        )
        .await?;
    if !found.agrees && !found.waits {
        let reason = format!(
            "table sum: {} rows and {} dead keys are stored, {} objects were delivered, or their content \
             differs",
            found.table_count, found.dead_count, found.fold_count
        );
        tracing::error!(
            cluster_id = found.cluster_id, %kind, %reason,
            "rows differ from what was delivered; the next sweep corrects them"
        );
        client
            .execute(RAISE, &[&found.cluster_id, &number, &reason])
            .await?;
    }
    Ok(())
}
