//! The parsing canonical form of a schema and its CRC-64-AVRO fingerprint, as the Avro specification defines them: what
//! every Avro library computes for the same schema.

use serde_json::Value as Json;

/// Fingerprint of no bytes, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
/// Types without a name of their own.
const PRIMITIVES: [&str; 8] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
];
/// Attributes that the form keeps beside a type's name and kind, in its order.
const KEPT: [&str; 5] = ["fields", "symbols", "items", "values", "size"];

/// The parsing canonical form of `schema`.
pub(crate) fn canonical_form(schema: &Json) -> String {
    let mut out = String::new();
    write_type(schema, "", &mut out);
    out
}

/// CRC-64-AVRO of `bytes`.
pub(crate) fn crc_64_avro(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            (crc >> 1) ^ (EMPTY & 0_u64.wrapping_sub(crc & 1))
        })
    })
}

fn write_type(json: &Json, namespace: &str, out: &mut String) {
    match json {
        Json::String(name) => write_text(&reference(name, namespace), out),
        Json::Array(variants) => {
            write_list(variants, out, |variant, out| write_type(variant, namespace, out));
        }
        Json::Object(object) => match object.get("type") {
            // A logical type is an attribute of its primitive, and attributes are dropped.
            Some(Json::String(kind)) if PRIMITIVES.contains(&kind.as_str()) => write_text(kind, out),
            Some(Json::String(kind)) => write_complex(json, kind, namespace, out),
            Some(inner) => write_type(inner, namespace, out),
            None => write_text("", out),
        },
        _ => write_text("", out),
    }
}

/// A record, enum, fixed, array or map, or a name in an object.
fn write_complex(json: &Json, kind: &str, namespace: &str, out: &mut String) {
    let named = json.get("name").and_then(Json::as_str);
    if named.is_none() && !matches!(kind, "array" | "map") {
        return write_text(&reference(kind, namespace), out);
    }
    let own_namespace = json.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
    let full_name = named.map(|name| qualified(name, own_namespace));
    let inner = match &full_name {
        Some(name) => name.rsplit_once('.').map_or("", |(namespace, _)| namespace),
        None => namespace,
    };
    out.push('{');
    if let Some(name) = &full_name {
        out.push_str("\"name\":");
        write_text(name, out);
        out.push(',');
    }
    out.push_str("\"type\":");
    write_text(kind, out);
    for attribute in KEPT {
        let Some(value) = json.get(attribute) else {
            continue;
        };
        out.push_str(&format!(",\"{attribute}\":"));
        match (attribute, value) {
            ("fields", Json::Array(fields)) => write_list(fields, out, |field, out| {
                out.push_str("{\"name\":");
                write_text(field.get("name").and_then(Json::as_str).unwrap_or_default(), out);
                out.push_str(",\"type\":");
                write_type(field.get("type").unwrap_or(&Json::Null), inner, out);
                out.push('}');
            }),
            ("items" | "values", value) => write_type(value, inner, out),
            (_, value) => out.push_str(&value.to_string()),
        }
    }
    out.push('}');
}

fn write_list(items: &[Json], out: &mut String, mut write: impl FnMut(&Json, &mut String)) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// A type that is named where it is used.
fn reference(name: &str, namespace: &str) -> String {
    if PRIMITIVES.contains(&name) {
        name.to_owned()
    } else {
        qualified(name, namespace)
    }
}

fn qualified(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(schema: &str) -> String {
        canonical_form(&serde_json::from_str(schema).unwrap())
    }

    #[test]
    fn a_logical_type_is_its_primitive_and_what_is_no_shape_is_dropped() {
        assert_eq!(
            form(r#"{"type": "long", "logicalType": "timestamp-micros"}"#),
            r#""long""#
        );
        let record = r#"{"fields": [
              {"default": null, "doc": "d", "name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
              {"name": "labels", "type": {"values": {"type": "string"}, "type": "map"}},
              {"name": "parts", "type": {"type": "array", "items": {"name": "Part", "type": "record", "fields": []}}},
              {"name": "part", "type": "Part"}, {"name": "same", "type": {"type": "a.b.Part"}}],
            "aliases": ["Old"], "name": "Whole", "namespace": "a.b", "type": "record"}"#;
        assert_eq!(
            form(record),
            concat!(
                r#"{"name":"a.b.Whole","type":"record","fields":[{"name":"at","type":["null","long"]},"#,
                r#"{"name":"labels","type":{"type":"map","values":"string"}},"#,
                r#"{"name":"parts","type":{"type":"array","items":{"name":"a.b.Part","type":"record","fields":[]}}},"#,
                r#"{"name":"part","type":"a.b.Part"},{"name":"same","type":"a.b.Part"}]}"#
            )
        );
    }

    /// As Java's `SchemaNormalization.parsingFingerprint64` gives them.
    #[test]
    fn fingerprints_of_primitives_are_those_of_java() {
        for (schema, fingerprint) in [
            ("\"null\"", 0x63dd_24e7_cc25_8f8a),
            ("\"boolean\"", 0x9f42_fc78_a4d4_f764),
            ("\"int\"", 0x7275_d51a_3f39_5c8f),
            ("\"long\"", 0xd054_e144_93f4_1db7),
            ("\"string\"", 0x8f01_4872_6345_03c7),
        ] {
            assert_eq!(crc_64_avro(form(schema).as_bytes()), fingerprint, "{schema}");
        }
        assert_eq!(crc_64_avro(b""), EMPTY);
    }
}
