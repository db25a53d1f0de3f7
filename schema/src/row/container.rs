//! `ledger.container`

use super::{CONTAINER_META_COLUMNS, ColumnType, LedgerColumn, LedgerTable, RowCell, cell::json};
use crate::record::{Container, Pod};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "container",
    key: &["uid", "container"],
    columns: COLUMNS,
    meta: CONTAINER_META_COLUMNS,
};

macro_rules! container_columns {
    (@null) => { false };
    (@null not null) => { true };
    (
        fn cells($pod:ident, $c:ident);
        $( $name:ident: $kind:ident $(($($null:tt)+))? = $value:expr; )+
    ) => {
        const COLUMNS: &[LedgerColumn] = &[
            $( LedgerColumn {
                name: stringify!($name),
                column_type: ColumnType::$kind,
                not_null: container_columns!(@null $($($null)+)?),
                field: "containers",
                since: 1,
                hashed: true,
            } ),+
        ];

        pub(super) fn cells<'a>($pod: &'a Pod, $c: &'a Container) -> Vec<RowCell<'a>> {
            vec![ $( RowCell::from($value) ),+ ]
        }
    };
}

/// The digest (`sha256:…`) at the end of a resolved image, if it has one.
fn image_digest(image_id: Option<&str>) -> Option<&str> {
    let (_, digest) = image_id?.rsplit_once('@')?;
    digest.contains(':').then_some(digest)
}

container_columns! {
    fn cells(pod, c);
    uid: Text (not null) = &pod.uid;
    container: Text (not null) = &c.container;
    namespace: Text (not null) = &pod.namespace;
    pod: Text (not null) = &pod.pod;
    node: Text = &pod.node;
    container_type: Text (not null) = &c.container_type;
    position: Integer (not null) = c.position;
    image: Text (not null) = &c.image;
    image_id: Text = &c.image_id;
    image_digest: Text = image_digest(c.image_id.as_deref());
    container_id: Text = &c.container_id;
    ready: Boolean (not null) = c.ready;
    started: Boolean = c.started;
    restart_count: Integer (not null) = c.restart_count;
    state: Text = &c.state;
    reason: Text = &c.reason;
    message: Text = &c.message;
    exit_code: Integer = c.exit_code;
    signal: Integer = c.signal;
    started_at: Timestamptz = c.started_at;
    finished_at: Timestamptz = c.finished_at;
    last_reason: Text = &c.last_reason;
    last_message: Text = &c.last_message;
    last_exit_code: Integer = c.last_exit_code;
    last_signal: Integer = c.last_signal;
    last_started_at: Timestamptz = c.last_started_at;
    last_finished_at: Timestamptz = c.last_finished_at;
    request_cpu_millicores: Bigint = c.requests.cpu_millicores;
    request_memory_bytes: Bigint = c.requests.memory_bytes;
    request_ephemeral_storage_bytes: Bigint = c.requests.ephemeral_storage_bytes;
    request_gpu_millis: Bigint = c.requests.gpu_millis;
    request_other: Jsonb (not null) = json(&c.requests.other);
    limit_cpu_millicores: Bigint = c.limits.cpu_millicores;
    limit_memory_bytes: Bigint = c.limits.memory_bytes;
    limit_ephemeral_storage_bytes: Bigint = c.limits.ephemeral_storage_bytes;
    limit_gpu_millis: Bigint = c.limits.gpu_millis;
    limit_other: Jsonb (not null) = json(&c.limits.other);
}
