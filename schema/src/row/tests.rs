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
                RowCell::Uid(_) => column.column_type == ColumnType::Uuid,
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
fn a_bound_pod_is_not_unschedulable_whatever_a_stale_condition_says() {
    let mut pod = Pod {
        conditions: vec![crate::record::Condition {
            condition_type: "PodScheduled".to_owned(),
            status: "False".to_owned(),
            reason: Some("Unschedulable".to_owned()),
            message: Some("0/5 nodes are available".to_owned()),
            ..Default::default()
        }],
        ..Pod::default()
    };
    let of = |pod: &Pod| {
        let record = pod.clone().into_record();
        let columns = table(RecordKind::Pod).columns.iter();
        let named: Vec<String> = columns
            .zip(cells(&record))
            .filter(|(column, _)| column.name.starts_with("unschedulable_"))
            .map(|(_, cell)| format!("{cell:?}"))
            .collect();
        named.join(" ")
    };
    assert!(of(&pod).contains("0/5 nodes"), "{}", of(&pod));
    pod.node = Some("n1".to_owned());
    assert_eq!(of(&pod), "Null Null");
}

/// Record of the test data of version 1.
fn filled<T: ObjectRecord>(name: &str) -> Record {
    let path = format!("{}/testdata/v1/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let object: T = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    object.into_record()
}

/// What the reader of version 1 hashed its rows to. Another hash would make a version of every row at the upgrade.
#[test]
fn hashes_of_an_older_readers_rows_never_change() {
    let pod = filled::<Pod>("pod");
    let mut lines = Vec::new();
    for record in [
        &filled::<Node>("node"),
        &pod,
        &filled::<Namespace>("namespace"),
        &filled::<Workload>("workload"),
        &filled::<Watchdog>("watchdog"),
    ] {
        let hash = row_hash_of_reader(table(record.kind()), &cells(record), 1);
        lines.push(format!("{} {:016x}{:016x}", record.kind(), hash.hi, hash.lo));
    }
    let Record::Pod(pod) = &pod else { unreachable!() };
    for container in &pod.containers {
        let hash = row_hash_of_reader(container_table(), &container_cells(pod, container), 1);
        lines.push(format!("container {:016x}{:016x}", hash.hi, hash.lo));
    }
    let of_version_1 = [
        "node d523c3d1059cc5dac06f445c7bc4a603",
        "pod cd12f1efa587f424ca2859a57f4eaa29",
        "namespace 4072019f974d6f05d656915a18f057e9",
        "workload 3905da6d2457f6d089c11b324b588637",
        "watchdog 0be7319235da095a50d3697ab522de1b",
        "container 3369e1ed53e91cc67df1d0d4b8fc6577",
        "container d444ef57359295da8bd427c3599ce8e1",
    ];
    assert_eq!(lines, of_version_1);
}

#[test]
fn columns_stand_in_the_order_of_the_versions_that_introduced_them() {
    let tables = RecordKind::ALL.into_iter().map(table).chain([container_table()]);
    for table in tables {
        assert!(
            table.columns.is_sorted_by_key(|column| column.since),
            "{}",
            table.name
        );
        let newest = table.columns.iter().map(|column| column.since).max();
        assert!(
            newest.is_some_and(|newest| newest <= READER_VERSION),
            "{}",
            table.name
        );
    }
}

#[test]
fn a_pods_row_hash_changes_with_what_kubectl_prints_of_its_containers_and_no_more() {
    let mut pod = Pod {
        phase: "Running".into(),
        ..Pod::default()
    };
    pod.containers.push(Container {
        container: "api".into(),
        container_type: "app".into(),
        state: Some("waiting".into()),
        ..Container::default()
    });
    let before = row_hash(table(RecordKind::Pod), &pod::cells(&pod));
    let containers = containers_digest(&pod);
    pod.containers[0].last_reason = Some("OOMKilled".into());
    assert_eq!(row_hash(table(RecordKind::Pod), &pod::cells(&pod)), before);
    assert_ne!(containers_digest(&pod), containers);
    pod.containers[0].reason = Some("CrashLoopBackOff".into());
    assert_ne!(row_hash(table(RecordKind::Pod), &pod::cells(&pod)), before);
}
