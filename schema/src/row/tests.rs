use super::*;
use crate::{
    codec::{SchemaSubject, own_schema},
    record::{Namespace, Node, ObjectRecord, Watchdog, Workload},
};

fn empty(kind: RecordKind) -> Record {
    match kind {
        RecordKind::Node => Node::default().into_record(),
        RecordKind::Pod => Pod::default().into_record(),
        RecordKind::Namespace => Namespace::default().into_record(),
        RecordKind::Workload => Workload::default().into_record(),
        RecordKind::Watchdog => Watchdog::default().into_record(),
        RecordKind::Usage => unreachable!(),
    }
}

#[test]
fn every_cell_has_its_columns_type_and_comes_from_a_wire_field() {
    for kind in RecordKind::ALL {
        let (table, record) = (table(kind), empty(kind));
        let cells = cells(&record);
        assert_eq!(cells.len(), table.columns.len());
        for (column, cell) in table.columns.iter().zip(&cells) {
            let fits = match cell {
                RowCell::Null => !column.not_null,
                RowCell::Text(_) => column.column_type == ColumnType::Text,
                RowCell::Texts(_) => column.column_type == ColumnType::TextArray,
                RowCell::Json(_) => column.column_type == ColumnType::Jsonb,
                RowCell::Bigint(_) => column.column_type == ColumnType::Bigint,
                RowCell::Integer(_) => column.column_type == ColumnType::Integer,
                RowCell::Boolean(_) => column.column_type == ColumnType::Boolean,
                RowCell::Timestamp(_) => column.column_type == ColumnType::Timestamptz,
            };
            assert!(fits, "{}.{} holds {cell:?}", table.name, column.name);
            assert!(
                own_schema(SchemaSubject::Kind(kind)).knows(column.field),
                "{}",
                column.name
            );
        }
    }
}

#[test]
fn a_containers_change_leaves_the_pods_row_hash_alone() {
    let mut pod = Pod {
        phase: "Running".into(),
        ..Pod::default()
    };
    pod.containers.push(Container {
        container: "api".into(),
        ..Container::default()
    });
    let before = row_hash(table(RecordKind::Pod), &pod::cells(&pod));
    let containers = containers_digest(&pod);
    if let Some(container) = pod.containers.first_mut() {
        container.reason = Some("CrashLoopBackOff".into());
    }
    assert_eq!(row_hash(table(RecordKind::Pod), &pod::cells(&pod)), before);
    assert_ne!(containers_digest(&pod), containers);
}
