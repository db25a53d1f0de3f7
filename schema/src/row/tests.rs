use super::*;
use crate::{
    codec::{SchemaSubject, own_schema},
    record::{Namespace, Node, Object, Watchdog, Workload},
};

fn empty(kind: Kind) -> Record {
    match kind {
        Kind::Node => Node::default().into_record(),
        Kind::Pod => Pod::default().into_record(),
        Kind::Namespace => Namespace::default().into_record(),
        Kind::Workload => Workload::default().into_record(),
        Kind::Watchdog => Watchdog::default().into_record(),
        Kind::Usage => unreachable!(),
    }
}

#[test]
fn every_cell_has_its_columns_type_and_comes_from_a_wire_field() {
    for kind in Kind::ALL {
        let (table, record) = (table(kind), empty(kind));
        let cells = cells(&record);
        assert_eq!(cells.len(), table.columns.len());
        for (column, cell) in table.columns.iter().zip(&cells) {
            let fits = match cell {
                Cell::Null => !column.not_null,
                Cell::Text(_) => column.column_type == ColumnType::Text,
                Cell::Texts(_) => column.column_type == ColumnType::TextArray,
                Cell::Json(_) => column.column_type == ColumnType::Jsonb,
                Cell::Bigint(_) => column.column_type == ColumnType::Bigint,
                Cell::Integer(_) => column.column_type == ColumnType::Integer,
                Cell::Boolean(_) => column.column_type == ColumnType::Boolean,
                Cell::Timestamp(_) => column.column_type == ColumnType::Timestamptz,
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
    let before = row_hash(table(Kind::Pod), &pod::cells(&pod));
    let containers = containers_digest(&pod);
    if let Some(container) = pod.containers.first_mut() {
        container.reason = Some("CrashLoopBackOff".into());
    }
    assert_eq!(row_hash(table(Kind::Pod), &pod::cells(&pod)), before);
    assert_ne!(containers_digest(&pod), containers);
}
