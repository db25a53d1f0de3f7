//! Properties of the codec: nothing that arrives can make it panic, and what it reads it writes again.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, encode, own_schema},
    framing, headers,
    instant::Instant,
    key::RecordKey,
    kind::RecordKind,
    record::{Container, ObjectRecord, Pod, Resources},
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn container() -> impl Strategy<Value = Container> {
    (
        text(),
        text(),
        any::<i32>(),
        any::<Option<i64>>(),
        proptest::option::of(text()),
    )
        .prop_map(
            |(container, image, restart_count, cpu_millicores, reason)| Container {
                container,
                image,
                restart_count,
                requests: Resources {
                    cpu_millicores,
                    ..Resources::default()
                },
                reason,
                ..Container::default()
            },
        )
}

fn pod() -> impl Strategy<Value = Pod> {
    (
        text(),
        any::<i64>().prop_map(Instant),
        proptest::collection::btree_map(text(), text(), 0..6),
        proptest::collection::vec(container(), 0..4),
        any::<Option<i32>>(),
    )
        .prop_map(|(pod, created_at, labels, containers, priority)| Pod {
            pod,
            created_at,
            labels,
            containers,
            priority,
            ..Pod::default()
        })
}

/// A schema that differs from ours in a field only, so that bodies take the way of foreign writers.
fn foreign() -> WriterSchema {
    let json = own_schema(SchemaSubject::Kind(RecordKind::Pod)).json().replacen(
        r#""fields":["#,
        r#""fields":[{"name": "novel", "type": ["null", {"type": "map", "values": "string"}], "default": null},"#,
        1,
    );
    WriterSchema::parse(&json).unwrap()
}

proptest! {
    #[test]
    fn any_pod_reads_back_and_encodes_to_the_same_bytes(pod in pod()) {
        let record = pod.into_record();
        let body = encode(&record).unwrap();
        let own = own_schema(SchemaSubject::Kind(RecordKind::Pod));
        prop_assert_eq!(&own.decode(&body).unwrap().record, &record);
        // The same object as a newer writer would send it, its own field not set.
        let mut newer = vec![0];
        newer.extend_from_slice(&body);
        let schema = foreign();
        let decoded = schema.decode(&newer).unwrap();
        prop_assert_eq!(&decoded.record, &record);
        prop_assert_eq!(schema.encode(&decoded.record, &decoded.unknown).unwrap(), newer);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for kind in RecordKind::ALL {
            let _ = own_schema(SchemaSubject::Kind(kind)).decode(&bytes);
            let _ = own_schema(SchemaSubject::Kind(RecordKind::Usage)).decode_usage(&bytes);
        }
        let _ = foreign().decode(&bytes);
        let _ = framing::split(&bytes);
        let _ = RecordKey::parse(&bytes);
        let _ = headers::RecordHeaders::parse([("ce_time", &bytes[..]), ("ce_epoch", &bytes[..])].into_iter());
    }

    #[test]
    fn a_damaged_body_is_an_error_or_another_record(pod in pod(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut body = encode(&pod.into_record()).unwrap();
        let at = at.index(body.len());
        if let Some(byte) = body.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let _ = own_schema(SchemaSubject::Kind(RecordKind::Pod)).decode(&body);
    }
}
