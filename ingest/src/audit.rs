//! Does every row still say what travelled? Each is encoded with its writer's schema and compared with its hash.
//!
//! An altered row loses its hash and its kind's generation is raised: the next sweep lands it again.

use std::{collections::BTreeMap, sync::Arc};

use fleetledger_schema::{
    READER_VERSION,
    codec::{KnownSchemas, WriterSchema},
    content_hash::ContentHash,
    kind::RecordKind,
    object_uid::ObjectUid,
    postgres::PostgresConnector,
    record::{Container, Pod, Record},
    row::{self, container_from_row, record_from_row},
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio_postgres::{Client, Row};

use crate::{IngestError, announced_schemas::AnnouncedSchemas};

/// Rows read at once.
const PAGE: i64 = 2_000;

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Rows encoded again.
    pub rows: u64,
    /// Rows that are as they travelled.
    pub sound: u64,
    /// Rows found altered before, not yet healed by a sweep.
    pub waiting: u64,
    /// Rows found altered now: `kind cluster_id uid`.
    pub altered: Vec<String>,
    /// Rows that were other ones once they were looked at again: neither sound nor altered.
    pub changed: u64,
    /// The same figures for each kind; they add up to those above.
    pub kinds: Vec<KindAudit>,
}

/// What an audit found of one kind: `rows` is the sum of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KindAudit {
    /// The kind.
    pub kind: String,
    /// Rows encoded again.
    pub rows: u64,
    /// Rows that are as they travelled.
    pub sound: u64,
    /// Rows found altered before, not yet healed by a sweep.
    pub waiting: u64,
    /// Rows found altered now.
    pub altered: u64,
    /// Rows that were other ones once they were looked at again.
    pub changed: u64,
}

/// Encodes every row again. `progress` is told what is being read.
///
/// # Errors
/// [`IngestError`] if PostgreSQL cannot be asked.
pub async fn run(
    connector: &PostgresConnector,
    mut progress: impl FnMut(&str),
) -> Result<AuditReport, IngestError> {
    let client = connector.connect("fleetledger-audit").await?;
    let failed = |source| IngestError::Postgres {
        action: "audit",
        source,
    };
    let mut audit = RowAudit {
        schemas: learn(&client).await.map_err(failed)?,
        report: AuditReport::default(),
        altered: BTreeMap::new(),
    };
    for kind in RecordKind::ALL {
        let found = audit.kind(&client, kind, &mut progress).await.map_err(failed)?;
        audit.report.add(found);
    }
    for ((cluster_id, number), uids) in &audit.altered {
        let reason = format!(
            "audit: {uids} {} altered",
            if *uids == 1 { "row was" } else { "rows were" }
        );
        client
            .execute(RAISE_GENERATION, &[cluster_id, number, &reason])
            .await
            .map_err(failed)?;
    }
    Ok(audit.report)
}

impl AuditReport {
    fn add(&mut self, kind: KindAudit) {
        self.rows += kind.rows;
        self.sound += kind.sound;
        self.waiting += kind.waiting;
        self.changed += kind.changed;
        self.kinds.push(kind);
    }
}

struct RowAudit {
    schemas: StoredSchemas,
    report: AuditReport,
    altered: BTreeMap<(i32, i16), u64>,
}

impl RowAudit {
    async fn kind(
        &mut self,
        client: &Client,
        kind: RecordKind,
        progress: &mut impl FnMut(&str),
    ) -> Result<KindAudit, tokio_postgres::Error> {
        let table = row::table(kind).name;
        let mut found = KindAudit {
            kind: kind.to_string(),
            ..KindAudit::default()
        };
        let statement = READ_PAGE_TEMPLATE
            .replace("{table}", table)
            .replace("{page}", &PAGE.to_string());
        let (mut cluster_id, mut uid) = (i32::MIN, ObjectUid::MIN);
        loop {
            let rows = client.query(&statement, &[&cluster_id, &uid]).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            (cluster_id, uid) = (last.try_get("cluster_id")?, last.try_get("uid")?);
            let mut containers = if kind == RecordKind::Pod {
                containers_of(client, &rows).await?
            } else {
                BTreeMap::new()
            };
            for row in &rows {
                self.row(client, kind, row, &mut containers, &mut found).await?;
            }
            progress(&format!(
                "{table}: {} rows, {} altered",
                found.rows, found.altered
            ));
        }
    }

    async fn row(
        &mut self,
        client: &Client,
        kind: RecordKind,
        row: &Row,
        containers: &mut BTreeMap<(i32, ObjectUid), Vec<StoredContainer>>,
        found: &mut KindAudit,
    ) -> Result<(), tokio_postgres::Error> {
        let key: (i32, ObjectUid) = (row.try_get("cluster_id")?, row.try_get("uid")?);
        found.rows += 1;
        let halves: (Option<i64>, Option<i64>) = (row.try_get("body_hash_hi")?, row.try_get("body_hash_lo")?);
        let (Some(hi), Some(lo)) = halves else {
            found.waiting += 1;
            return Ok(());
        };
        let stored = containers.remove(&key).unwrap_or_default();
        if self.is_sound(kind, row, ContentHash { hi, lo }, stored)? {
            found.sound += 1;
            return Ok(());
        }
        let statement = FORGET_BODY_HASH_TEMPLATE.replace("{table}", row::table(kind).name);
        // A row that changed since it was read is no longer the one that was found altered.
        if client.execute(&statement, &[&key.0, &key.1, &hi, &lo]).await? > 0 {
            found.altered += 1;
            *self.altered.entry((key.0, kind.number())).or_default() += 1;
            self.report.altered.push(format!("{kind} {} {}", key.0, key.1));
        } else {
            found.changed += 1;
        }
        Ok(())
    }

    fn is_sound(
        &self,
        kind: RecordKind,
        row: &Row,
        hash: ContentHash,
        stored: Vec<StoredContainer>,
    ) -> Result<bool, tokio_postgres::Error> {
        let Some(mut record) = record_from_row(kind, row)? else {
            return Ok(true);
        };
        if let Record::Pod(pod) = &mut record {
            pod.containers = stored.iter().map(|stored| stored.container.clone()).collect();
            let ours = |stored: &&StoredContainer| stored.reader == READER_VERSION;
            let agrees = |stored: &StoredContainer| {
                row::row_hash(
                    row::container_table(),
                    &row::container_cells(pod, &stored.container),
                ) == stored.hash
            };
            if !stored.iter().filter(ours).all(agrees) {
                return Ok(false);
            }
        }
        let reader: i16 = row.try_get("reader_version")?;
        let row_hash = ContentHash {
            hi: row.try_get("row_hash_hi")?,
            lo: row.try_get("row_hash_lo")?,
        };
        if reader == READER_VERSION && row::row_hash(row::table(kind), &row::cells(&record)) != row_hash {
            return Ok(false);
        }
        let unknown: Option<Json> = row.try_get("unknown")?;
        let writer: i64 = row.try_get("writer_schema")?;
        // Without its writer's schema a row cannot be judged, nor can it have been altered by us.
        let Some(schema) = self.schemas.get(row.try_get("cluster_id")?, writer) else {
            return Ok(true);
        };
        Ok(encodes_to(schema, &record, &unknown.unwrap_or(Json::Null), hash))
    }
}

/// The row may hold an owner that its newest record could not resolve: that record travelled with less.
fn encodes_to(schema: &WriterSchema, record: &Record, unknown: &Json, hash: ContentHash) -> bool {
    let is = |record: &Record| {
        schema
            .encode(record, unknown)
            .is_ok_and(|body| ContentHash::of(&body) == hash)
    };
    if is(record) {
        return true;
    }
    let Record::Pod(pod) = record else { return false };
    if pod.owner_resolved {
        return false;
    }
    let travelled = |kind: Option<&String>, name: Option<&String>, uid: Option<&String>| {
        is(&Record::Pod(Box::new(Pod {
            workload_kind: kind.cloned(),
            workload: name.cloned(),
            workload_uid: uid.cloned(),
            ..Pod::clone(pod)
        })))
    };
    // By its own reference, or, from emitters before reader version 2, without any.
    travelled(
        pod.owner_kind.as_ref(),
        pod.owner.as_ref(),
        pod.owner_uid.as_ref(),
    ) || travelled(None, None, None)
}

/// A container as it stands; read back in the order in which it travelled: init and sidecar, app, ephemeral.
struct StoredContainer {
    container: Container,
    hash: ContentHash,
    reader: i16,
}

async fn containers_of(
    client: &Client,
    pods: &[Row],
) -> Result<BTreeMap<(i32, ObjectUid), Vec<StoredContainer>>, tokio_postgres::Error> {
    let mut keys: (Vec<i32>, Vec<ObjectUid>) = (Vec::new(), Vec::new());
    for pod in pods {
        keys.0.push(pod.try_get("cluster_id")?);
        keys.1.push(pod.try_get("uid")?);
    }
    let rows = client.query(READ_CONTAINERS, &[&keys.0, &keys.1]).await?;
    let mut containers: BTreeMap<(i32, ObjectUid), Vec<StoredContainer>> = BTreeMap::new();
    for row in &rows {
        let stored = StoredContainer {
            container: container_from_row(row)?,
            hash: ContentHash {
                hi: row.try_get("row_hash_hi")?,
                lo: row.try_get("row_hash_lo")?,
            },
            reader: row.try_get("reader_version")?,
        };
        containers
            .entry((row.try_get("cluster_id")?, row.try_get("uid")?))
            .or_default()
            .push(stored);
    }
    Ok(containers)
}

/// Schemas of releases, and what each cluster has announced.
struct StoredSchemas {
    of_releases: KnownSchemas,
    announced: AnnouncedSchemas,
}

impl StoredSchemas {
    fn get(&self, cluster_id: i32, writer: i64) -> Option<&Arc<WriterSchema>> {
        let fingerprint = writer.cast_unsigned();
        let announced = self.announced.get(cluster_id, fingerprint);
        announced.or_else(|| self.of_releases.get(fingerprint))
    }
}

async fn learn(client: &Client) -> Result<StoredSchemas, tokio_postgres::Error> {
    let mut schemas = StoredSchemas {
        of_releases: KnownSchemas::own(),
        announced: AnnouncedSchemas::unbounded(),
    };
    for row in client.query(READ_SCHEMAS, &[]).await? {
        let Ok(schema) = WriterSchema::parse(row.try_get("schema_json")?).map(Arc::new) else {
            continue;
        };
        match row.try_get("cluster_id")? {
            Some(cluster_id) => schemas.announced.learn(cluster_id, &schema),
            None => schemas.of_releases.learn(schema),
        }
    }
    Ok(schemas)
}

const RAISE_GENERATION: &str = "
    insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
    values ($1, $2, 1, now(), $3) on conflict (cluster_id, kind) do update
    set generation = k.generation + 1, raised_at = now(), raised_reason = excluded.raised_reason";

const READ_CONTAINERS: &str = "
    select c.* from ledger.container as c
    join unnest($1::integer[], $2::uuid[]) as k (cluster_id, uid) on k.cluster_id = c.cluster_id and k.uid = c.uid
    order by c.cluster_id, c.uid,
        case c.container_type when 'app' then 1 when 'ephemeral' then 2 else 0 end, c.position";

const READ_SCHEMAS: &str = "
    select null::integer as cluster_id, schema_json from ledger.avro_schema
    union all
    select cluster_id, schema_json from ledger.announced_schema";

const READ_PAGE_TEMPLATE: &str = "
    select * from ledger.{table} where (cluster_id, uid) > ($1, $2) order by cluster_id, uid limit {page}";

const FORGET_BODY_HASH_TEMPLATE: &str = "
    update ledger.{table} set body_hash_hi = null, body_hash_lo = null
    where cluster_id = $1 and uid = $2 and body_hash_hi = $3 and body_hash_lo = $4";
