//! A flat pod as a row of plain values, for the sides that are compared with ours.

use bytes::{BufMut, Bytes, BytesMut};
use fleetledger_schema::{key::RecordSource, record::Pod};
use serde_json::{Map, Value as Json, json};

/// A value of a flat row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FlatValue {
    /// `text`, never empty of meaning: NULL where the object has none.
    Text(Option<String>),
    /// `bigint`; instants are microseconds since 1970, which costs a loader less than a timestamp.
    Number(Option<i64>),
}

/// Columns, in the order of [`row`], and whether they are text.
pub(crate) const COLUMNS: [(&str, bool); 26] = [
    ("datacenter", true),
    ("cluster", true),
    ("cluster_uid", true),
    ("uid", true),
    ("namespace", true),
    ("pod", true),
    ("created_at", false),
    ("labels", true),
    ("node", true),
    ("phase", true),
    ("reason", true),
    ("qos_class", true),
    ("priority", false),
    ("owner_kind", true),
    ("owner", true),
    ("owner_uid", true),
    ("workload_kind", true),
    ("workload", true),
    ("workload_uid", true),
    ("service_account", true),
    ("restart_policy", true),
    ("host_ip", true),
    ("pod_ip", true),
    ("started_at", false),
    ("request_cpu_millicores", false),
    ("request_memory_bytes", false),
];

/// The values of a pod.
pub(crate) fn row(source: &RecordSource, pod: &Pod) -> [FlatValue; 26] {
    let text = |text: &str| FlatValue::Text(Some(text.to_owned()));
    let maybe = |text: &Option<String>| FlatValue::Text(text.clone());
    [
        text(&source.datacenter),
        text(&source.cluster),
        text(&source.cluster_uid),
        text(&pod.uid),
        text(&pod.namespace),
        text(&pod.pod),
        FlatValue::Number(Some(pod.created_at.0)),
        FlatValue::Text(serde_json::to_string(&pod.labels).ok()),
        maybe(&pod.node),
        text(&pod.phase),
        maybe(&pod.reason),
        maybe(&pod.qos_class),
        FlatValue::Number(pod.priority.map(i64::from)),
        maybe(&pod.owner_kind),
        maybe(&pod.owner),
        maybe(&pod.owner_uid),
        maybe(&pod.workload_kind),
        maybe(&pod.workload),
        maybe(&pod.workload_uid),
        maybe(&pod.service_account),
        text(&pod.restart_policy),
        maybe(&pod.host_ip),
        FlatValue::Text(pod.pod_ips.first().cloned()),
        FlatValue::Number(pod.started_at.map(|at| at.0)),
        FlatValue::Number(pod.requests.cpu_millicores),
        FlatValue::Number(pod.requests.memory_bytes),
    ]
}

/// `create table` for these columns.
pub(crate) fn table(name: &str, primary_key: &str) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(column, is_text)| format!("{column} {}", if *is_text { "text" } else { "bigint" }))
        .collect();
    format!(
        "create table {name} ({}, primary key ({primary_key}))",
        columns.join(", ")
    )
}

/// As JSON without a schema.
pub(crate) fn to_json(row: &[FlatValue; 26]) -> Json {
    let fields = COLUMNS.iter().zip(row).map(|((name, _), value)| {
        let value = match value {
            FlatValue::Text(text) => json!(text),
            FlatValue::Number(number) => json!(number),
        };
        ((*name).to_owned(), value)
    });
    Json::Object(fields.collect::<Map<_, _>>())
}

/// What Kafka Connect's JSON converter needs to know of it.
pub(crate) fn connect_schema() -> Json {
    let fields: Vec<Json> = COLUMNS
        .iter()
        .map(|(name, is_text)| {
            let kind = if *is_text { "string" } else { "int64" };
            let optional = !matches!(*name, "cluster_uid" | "uid");
            json!({ "field": name, "type": kind, "optional": optional })
        })
        .collect();
    json!({ "type": "struct", "name": "pod", "optional": false, "fields": fields })
}

/// Rows in PostgreSQL's binary COPY format, in chunks.
#[derive(Debug)]
pub(crate) struct CopyRows {
    chunks: Vec<Bytes>,
    current: BytesMut,
}

/// Size at which a chunk is handed over, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

impl CopyRows {
    pub(crate) fn new() -> Self {
        let mut current = BytesMut::with_capacity(CHUNK_BYTES * 2);
        current.put_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        Self {
            chunks: Vec::new(),
            current,
        }
    }

    pub(crate) fn add(&mut self, row: &[FlatValue; 26]) {
        if self.current.len() >= CHUNK_BYTES {
            self.chunks.push(self.current.split().freeze());
        }
        self.current.put_i16(26);
        for value in row {
            match value {
                FlatValue::Text(Some(text)) => {
                    self.current
                        .put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
                    self.current.put_slice(text.as_bytes());
                }
                FlatValue::Number(Some(number)) => {
                    self.current.put_i32(8);
                    self.current.put_i64(*number);
                }
                FlatValue::Text(None) | FlatValue::Number(None) => self.current.put_i32(-1),
            }
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.current.put_i16(-1);
        self.chunks.push(self.current.freeze());
        self.chunks
    }
}
