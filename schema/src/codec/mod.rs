//! Records ⇄ Avro bodies.
//!
//! A body whose writer has this version's schema goes straight into its type. Any other is read by the
//! writer's own schema: fields both know land in the type, the rest is kept as [`DecodedBody::unknown`], and
//! [`WriterSchema::encode`] makes the same bytes again out of both.

mod binary;
mod canonical_form;
mod shape;
mod unknown;
mod wire_schema;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use apache_avro::{
    Schema, rabin::Rabin, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use shape::AvroShape;
use thiserror::Error;

pub use binary::BodyError;
pub use shape::SchemaError;
pub use wire_schema::wire_schema;

use crate::{
    kind::RecordKind,
    record::{Mark, Namespace, Node, ObjectRecord, Pod, Record, Usage, Watchdog, Workload, with_object},
};

/// Largest schema text that is accepted, in bytes; ours have at most 16 KiB.
pub const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// Largest body that is decoded, in bytes: Kafka's default `message.max.bytes` leaves room for no larger.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaSubject {
    /// Records of a kind.
    Kind(RecordKind),
    /// Marks and sweep points.
    Mark,
}

/// A schema some writer uses: this version's own, or one learned from an announcement or from PostgreSQL.
#[derive(Debug)]
pub struct WriterSchema {
    fingerprint: u64,
    former_fingerprint: u64,
    subject: SchemaSubject,
    json: String,
    shape: AvroShape,
    reader: bool,
}

/// A decoded body.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedBody {
    /// What this version knows of it.
    pub record: Record,
    /// What it does not know; `Null` in the common case.
    pub unknown: Json,
}

/// Why a record cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("encode {kind}: {message}")]
pub struct EncodeError {
    kind: &'static str,
    message: String,
}

/// This version's own schema of one subject, ready to read and write with.
struct OwnSchema {
    schema: Arc<WriterSchema>,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

macro_rules! own {
    ($path:literal, $subject:expr) => {
        LazyLock::new(|| OwnSchema::load(include_str!($path), $subject))
    };
}
static NODE: LazyLock<OwnSchema> = own!("../../avro/node.avsc", SchemaSubject::Kind(RecordKind::Node));
static POD: LazyLock<OwnSchema> = own!("../../avro/pod.avsc", SchemaSubject::Kind(RecordKind::Pod));
static NAMESPACE: LazyLock<OwnSchema> = own!(
    "../../avro/namespace.avsc",
    SchemaSubject::Kind(RecordKind::Namespace)
);
static WORKLOAD: LazyLock<OwnSchema> = own!(
    "../../avro/workload.avsc",
    SchemaSubject::Kind(RecordKind::Workload)
);
static WATCHDOG: LazyLock<OwnSchema> = own!(
    "../../avro/watchdog.avsc",
    SchemaSubject::Kind(RecordKind::Watchdog)
);
static USAGE: LazyLock<OwnSchema> = own!("../../avro/usage.avsc", SchemaSubject::Kind(RecordKind::Usage));
static MARK: LazyLock<OwnSchema> = own!("../../avro/mark.avsc", SchemaSubject::Mark);

impl OwnSchema {
    #[expect(
        clippy::expect_used,
        reason = "the embedded schemas are read by a test of this file"
    )]
    fn load(file: &'static str, subject: SchemaSubject) -> Self {
        apache_avro::util::max_allocation_bytes(MAX_BODY_BYTES);
        let json = wire_schema(file).expect("embedded schema is json");
        let schema: &'static Schema = Box::leak(Box::new(
            Schema::parse_str(&json).expect("embedded schema parses"),
        ));
        let (_, shape) = AvroShape::parse(&json).expect("embedded schema has a shape");
        Self {
            schema: Arc::new(WriterSchema {
                fingerprint: fingerprint_of(&json).expect("embedded schema is json"),
                former_fingerprint: former_fingerprint_of(schema),
                subject,
                json,
                shape,
                reader: true,
            }),
            reader: GenericDatumReader::builder(schema)
                .build()
                .expect("embedded schema resolves"),
            writer: GenericDatumWriter::builder(schema)
                .build()
                .expect("embedded schema resolves"),
        }
    }

    fn of(subject: SchemaSubject) -> &'static OwnSchema {
        match subject {
            SchemaSubject::Kind(RecordKind::Node) => &NODE,
            SchemaSubject::Kind(RecordKind::Pod) => &POD,
            SchemaSubject::Kind(RecordKind::Namespace) => &NAMESPACE,
            SchemaSubject::Kind(RecordKind::Workload) => &WORKLOAD,
            SchemaSubject::Kind(RecordKind::Watchdog) => &WATCHDOG,
            SchemaSubject::Kind(RecordKind::Usage) => &USAGE,
            SchemaSubject::Mark => &MARK,
        }
    }

    fn write<T: Serialize>(&self, value: &T, kind: &'static str) -> Result<Vec<u8>, EncodeError> {
        self.writer.write_ser_to_vec(value).map_err(|error| EncodeError {
            kind,
            message: error.to_string(),
        })
    }

    fn read<T: DeserializeOwned>(&self, mut body: &[u8]) -> Result<T, BodyError> {
        let value = self
            .reader
            .read_deser(&mut body)
            .map_err(|error| BodyError::Shape(error.to_string()))?;
        if body.is_empty() {
            Ok(value)
        } else {
            Err(BodyError::Trailing(body.len()))
        }
    }
}

/// This version's own schema of `subject`.
#[must_use]
pub fn own_schema(subject: SchemaSubject) -> Arc<WriterSchema> {
    OwnSchema::of(subject).schema.clone()
}

/// Body of `record`, by this version's schema.
///
/// # Errors
/// [`EncodeError`] if the schema cannot hold the record, which is a defect of this crate.
pub fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let kind = record.kind();
    let own = OwnSchema::of(SchemaSubject::Kind(kind));
    with_object!(record, object => own.write(object, kind.as_str()))
}

/// Body of a mark.
///
/// # Errors
/// See [`encode`].
pub fn encode_mark(mark: &Mark) -> Result<Vec<u8>, EncodeError> {
    MARK.write(mark, "mark")
}

/// Body of a window of usage.
///
/// # Errors
/// See [`encode`].
pub fn encode_usage(usage: &Usage) -> Result<Vec<u8>, EncodeError> {
    USAGE.write(usage, "usage")
}

impl WriterSchema {
    /// CRC-64-AVRO of the schema's parsing canonical form, as every Avro library computes it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// What emitters before reader version 2 named the schema by: their canonical form kept an object around the
    /// primitive of a logical type. Equal to [`WriterSchema::fingerprint`] where there is none.
    #[must_use]
    pub fn former_fingerprint(&self) -> u64 {
        self.former_fingerprint
    }

    /// True if a record or an announcement may name this schema by `fingerprint`.
    #[must_use]
    pub fn is_named(&self, fingerprint: u64) -> bool {
        [self.fingerprint, self.former_fingerprint].contains(&fingerprint)
    }

    /// Every fingerprint that may name this schema, each once.
    pub fn names(&self) -> impl Iterator<Item = u64> {
        let former = (self.former_fingerprint != self.fingerprint).then_some(self.former_fingerprint);
        std::iter::once(self.fingerprint).chain(former)
    }

    /// The fingerprint as PostgreSQL keeps it.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.fingerprint as i64
    }

    /// The schema's parsing canonical form, of which [`WriterSchema::fingerprint`] is the fingerprint.
    #[must_use]
    pub fn canonical_form(&self) -> String {
        let json = serde_json::from_str(&self.json).unwrap_or_default();
        canonical_form::canonical_form(&json)
    }

    /// What it describes.
    #[must_use]
    pub fn subject(&self) -> SchemaSubject {
        self.subject
    }

    /// The schema's text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// True for this version's own schema.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.reader
    }

    /// True if records of this writer carry the top-level field `name`.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.shape.fields().iter().any(|(field, _)| field == name)
    }

    /// Reads a schema's text.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        if json.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaError::TooLarge(json.len()));
        }
        let (name, shape) = AvroShape::parse(json)?;
        let subject = subject_of(&name).ok_or_else(|| SchemaError::Record(name.clone()))?;
        let own = OwnSchema::of(subject);
        shape.check_agrees(&own.schema.shape, "")?;
        let schema = Schema::parse_str(json).map_err(|error| SchemaError::Syntax(error.to_string()))?;
        let fingerprint = fingerprint_of(json)?;
        let reader = fingerprint == own.schema.fingerprint;
        Ok(Self {
            fingerprint,
            former_fingerprint: former_fingerprint_of(&schema),
            subject,
            json: json.to_owned(),
            shape,
            reader,
        })
    }

    /// Decodes the body of an object.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode(&self, body: &[u8]) -> Result<DecodedBody, BodyError> {
        let SchemaSubject::Kind(kind) = self.subject else {
            return Err(BodyError::Shape(
                "a mark's schema on an object's record".to_owned(),
            ));
        };
        match kind {
            RecordKind::Node => self.decode_as::<Node>(body),
            RecordKind::Pod => self.decode_as::<Pod>(body),
            RecordKind::Namespace => self.decode_as::<Namespace>(body),
            RecordKind::Workload => self.decode_as::<Workload>(body),
            RecordKind::Watchdog => self.decode_as::<Watchdog>(body),
            RecordKind::Usage => Err(BodyError::Shape(
                "usage's schema on an object's record".to_owned(),
            )),
        }
    }

    /// Decodes the body of a mark.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode_mark(&self, body: &[u8]) -> Result<Mark, BodyError> {
        if self.subject != SchemaSubject::Mark {
            return Err(BodyError::Shape("an object's schema on a mark".to_owned()));
        }
        self.read::<Mark>(body).map(|(mark, _)| mark)
    }

    /// Decodes the body of a window of usage; fields this version does not know are left out.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode_usage(&self, body: &[u8]) -> Result<Usage, BodyError> {
        if self.subject != SchemaSubject::Kind(RecordKind::Usage) {
            return Err(BodyError::Shape("another schema on a record of usage".to_owned()));
        }
        self.read::<Usage>(body).map(|(usage, _)| usage)
    }

    /// The body this writer would send for `record` and `unknown`: byte for byte what it did send.
    ///
    /// # Errors
    /// [`EncodeError`] if the schema has a field that neither holds.
    pub fn encode(&self, record: &Record, unknown: &Json) -> Result<Vec<u8>, EncodeError> {
        if self.reader {
            return encode(record);
        }
        let kind = record.kind().as_str();
        let fail = |message: String| EncodeError { kind, message };
        let json = with_object!(record, object => serde_json::to_value(object));
        let mut json = json.map_err(|error| fail(error.to_string()))?;
        unknown::merge(&mut json, unknown);
        let mut body = Vec::new();
        binary::write(&self.shape, &json, &mut body).map_err(|error| fail(error.to_string()))?;
        Ok(body)
    }

    fn decode_as<T: ObjectRecord>(&self, body: &[u8]) -> Result<DecodedBody, BodyError> {
        let (object, unknown) = self.read::<T>(body)?;
        Ok(DecodedBody {
            record: object.into_record(),
            unknown,
        })
    }

    fn read<T: DeserializeOwned>(&self, mut body: &[u8]) -> Result<(T, Json), BodyError> {
        let own = OwnSchema::of(self.subject);
        if self.reader {
            return Ok((own.read(body)?, Json::Null));
        }
        let json = binary::read(&self.shape, &mut body)?;
        if !body.is_empty() {
            return Err(BodyError::Trailing(body.len()));
        }
        let unknown = unknown::extract(&json, &own.schema.shape);
        let value = serde_json::from_value(json).map_err(|error| BodyError::Shape(error.to_string()))?;
        Ok((value, unknown))
    }
}

/// The schemas a reader knows, by each fingerprint that may name them.
#[derive(Debug, Clone)]
pub struct KnownSchemas {
    by_fingerprint: HashMap<u64, Arc<WriterSchema>>,
}

impl KnownSchemas {
    /// This version's own.
    #[must_use]
    pub fn own() -> Self {
        let subjects = RecordKind::TOPICS
            .into_iter()
            .map(SchemaSubject::Kind)
            .chain([SchemaSubject::Mark]);
        let mut known = Self {
            by_fingerprint: HashMap::new(),
        };
        subjects.map(own_schema).for_each(|schema| known.learn(schema));
        known
    }

    /// The schema of that fingerprint, if known.
    #[must_use]
    pub fn get(&self, fingerprint: u64) -> Option<&Arc<WriterSchema>> {
        self.by_fingerprint.get(&fingerprint)
    }

    /// Adds a schema.
    pub fn learn(&mut self, schema: Arc<WriterSchema>) {
        for fingerprint in [schema.fingerprint, schema.former_fingerprint] {
            self.by_fingerprint
                .entry(fingerprint)
                .or_insert_with(|| schema.clone());
        }
    }

    /// All of them; one with a former fingerprint comes twice.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<WriterSchema>> {
        self.by_fingerprint.values()
    }

    /// All of them, once for each fingerprint that may name them.
    pub fn by_fingerprint(&self) -> impl Iterator<Item = (u64, &Arc<WriterSchema>)> {
        self.by_fingerprint
            .iter()
            .map(|(fingerprint, schema)| (*fingerprint, schema))
    }
}

impl Default for KnownSchemas {
    fn default() -> Self {
        Self::own()
    }
}

fn fingerprint_of(schema: &str) -> Result<u64, SchemaError> {
    let json = serde_json::from_str(schema).map_err(|error| SchemaError::Syntax(error.to_string()))?;
    Ok(canonical_form::crc_64_avro(
        canonical_form::canonical_form(&json).as_bytes(),
    ))
}

fn former_fingerprint_of(schema: &Schema) -> u64 {
    let bytes = schema.fingerprint::<Rabin>().bytes;
    bytes
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn subject_of(name: &str) -> Option<SchemaSubject> {
    Some(match name.strip_prefix("io.fleetledger.v1.")? {
        "Node" => SchemaSubject::Kind(RecordKind::Node),
        "Pod" => SchemaSubject::Kind(RecordKind::Pod),
        "Namespace" => SchemaSubject::Kind(RecordKind::Namespace),
        "Workload" => SchemaSubject::Kind(RecordKind::Workload),
        "Watchdog" => SchemaSubject::Kind(RecordKind::Watchdog),
        "Usage" => SchemaSubject::Kind(RecordKind::Usage),
        "Mark" => SchemaSubject::Mark,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
