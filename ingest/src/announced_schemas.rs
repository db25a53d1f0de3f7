//! Schemas that clusters have announced. Each is its cluster's own: a fingerprint of 64 bits is easily met by another text, so
//! what one cluster announces says nothing of how to read another's records.

use std::{collections::HashMap, sync::Arc};

use fleetledger_schema::codec::{SchemaSubject, WriterSchema, own_schema};

use crate::{
    batch::DraftBatch,
    dead_reason::{DeadReason, RecordFault},
    memory::LaneMemory,
    reader::{StopRequested, retried},
};

/// Most bytes of schemas that a lane keeps at hand; beyond it they are read from PostgreSQL again.
const MOST_BYTES: usize = 16 << 20;

/// What is at hand.
#[derive(Debug)]
pub(crate) struct AnnouncedSchemas {
    by_cluster: HashMap<(i32, u64), Arc<WriterSchema>>,
    bytes: usize,
    most_bytes: usize,
}

impl AnnouncedSchemas {
    /// Of a lane, which can read again what it has forgotten.
    pub(crate) fn bounded() -> Self {
        Self::with_most(MOST_BYTES)
    }

    /// Of whoever reads all of them at once.
    pub(crate) fn unbounded() -> Self {
        Self::with_most(usize::MAX)
    }

    fn with_most(most_bytes: usize) -> Self {
        Self {
            by_cluster: HashMap::new(),
            bytes: 0,
            most_bytes,
        }
    }

    pub(crate) fn get(&self, cluster_id: i32, fingerprint: u64) -> Option<&Arc<WriterSchema>> {
        self.by_cluster.get(&(cluster_id, fingerprint))
    }

    /// Adds a schema, by each fingerprint that may name it.
    pub(crate) fn learn(&mut self, cluster_id: i32, schema: &Arc<WriterSchema>) {
        if self.bytes > self.most_bytes {
            *self = Self::with_most(self.most_bytes);
        }
        for fingerprint in schema.names() {
            let before = self.by_cluster.insert((cluster_id, fingerprint), schema.clone());
            self.bytes += before.map_or(schema.json().len(), |_| 0);
        }
    }
}

impl LaneMemory {
    /// The schema of that fingerprint: this version's own, or one that the cluster has announced, to whichever ingester.
    pub(crate) async fn schema(
        &mut self,
        cluster_id: i32,
        fingerprint: u64,
    ) -> Result<Option<Arc<WriterSchema>>, StopRequested> {
        let at_hand = self.schemas.get(fingerprint);
        if let Some(schema) = at_hand.or_else(|| self.announced.get(cluster_id, fingerprint)) {
            return Ok(Some(schema.clone()));
        }
        let number = fingerprint.cast_signed();
        let found: Option<String> = retried!(self.reader, "look up a schema", client => async {
            let row = client
                .query_opt(READ_SCHEMA, &[&cluster_id, &number])
                .await?;
            row.map(|row| row.try_get(0)).transpose()
        }.await);
        let schema = found.and_then(|json| WriterSchema::parse(&json).ok());
        let schema = schema.map(Arc::new);
        if let Some(schema) = &schema {
            self.announced.learn(cluster_id, schema);
        }
        Ok(schema)
    }

    /// Whether a cluster's announcement is taken: no other schema has its fingerprint, and there is room for it.
    pub(crate) async fn check_announcement(
        &mut self,
        draft: &DraftBatch,
        cluster_id: i32,
        schema: &Arc<WriterSchema>,
    ) -> Result<Result<(), RecordFault>, StopRequested> {
        let refused = |detail: String| Ok(Err(RecordFault::new(DeadReason::BadSchema, detail)));
        let fingerprint = schema.fingerprint();
        let known = match schema.is_own() {
            true => Some(own_schema(schema.subject())),
            false => self.schema(cluster_id, fingerprint).await?,
        };
        if let Some(known) = known {
            return match known.canonical_form() == schema.canonical_form() {
                true => Ok(Ok(())),
                false => refused(format!(
                    "another schema with fingerprint {fingerprint:016x} is known: this one is forged to look like it"
                )),
            };
        }
        let subject = subject_name(schema.subject());
        // What is drafted is not stored yet.
        let drafted = draft.schemas.iter();
        let drafted = drafted.filter(|other| (other.cluster_id, other.subject) == (cluster_id, subject));
        let own = std::iter::repeat_n(schema.json().len(), schema.names().count());
        let sizes = drafted.map(|other| other.json.len()).chain(own);
        let (names, bytes) = sizes.fold((0_i64, 0_i64), |(names, bytes), size| {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            (names + 1, bytes.saturating_add(size))
        });
        let has_room: bool = retried!(self.reader, "evict a schema", client => async {
            client
                .query_one(MAKE_SCHEMA_ROOM, &[&cluster_id, &subject, &names, &bytes])
                .await?
                .try_get(0)
        }.await);
        match has_room {
            true => Ok(Ok(())),
            false => refused(format!(
                "the limit of schemas kept for {subject} is reached, and none can be evicted: rows were \
                 written with them, or they are younger than a minute; emitters of one version announce one \
                 schema"
            )),
        }
    }
}

/// What a schema describes, as PostgreSQL keeps it.
pub(crate) fn subject_name(subject: SchemaSubject) -> &'static str {
    match subject {
        SchemaSubject::Kind(kind) => kind.as_str(),
        SchemaSubject::Mark => "mark",
    }
}

/// `ledger.avro_schema` holds those of releases, and what was announced before clusters had their own.
const READ_SCHEMA: &str = "
    select schema_json from (
        select 1 as place, schema_json from ledger.announced_schema where cluster_id = $1 and fingerprint = $2
        union all
        select 2, schema_json from ledger.avro_schema where fingerprint = $2
    ) as known order by place limit 1";

const MAKE_SCHEMA_ROOM: &str = "select ledger.make_schema_room($1, $2, $3, $4)";
