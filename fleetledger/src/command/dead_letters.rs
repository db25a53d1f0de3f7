//! `fleetledger dead-letters list|show|replay`.

use std::fmt::Write as _;

use anyhow::Context as _;
use fleetledger_ingest::dead_letters::{self, DeadLetterDetail, DeadLetterSelection};
use fleetledger_schema::{
    codec::WriterSchema,
    framing::{self, SchemaRef},
    postgres::PostgresConnector,
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::clusters;
use crate::{
    cli::{DeadLettersCommand, OutputFormat},
    config::LoadedConfig,
    exit::ExitReason,
    output::{
        self, OutputColumn, OutputTable, counted, instant, print_answer, print_document, print_rows,
        table::fields,
    },
    progress::{self, ProgressName, ProgressReading},
    setup::database,
};

/// Bytes of a value that are printed where it cannot be decoded.
const HEX_BYTES: usize = 512;

pub(super) async fn run(loaded: &LoadedConfig, command: DeadLettersCommand) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-dead-letters").await?;
    match command {
        DeadLettersCommand::List(args) => list(&client, args.format()).await?,
        DeadLettersCommand::Show { number, output } => {
            show(&connector, &client, number, output.format()).await?;
        }
        DeadLettersCommand::Replay {
            reason,
            cluster,
            dry_run,
            output,
        } => {
            let known = match &cluster {
                Some(name) => Some(clusters::find(&client, name).await?),
                None => None,
            };
            let selection = DeadLetterSelection {
                reason,
                datacenter: known.as_ref().map(|known| known.datacenter.clone()),
                cluster: known.map(|known| known.cluster),
                ..DeadLetterSelection::default()
            };
            return Box::pin(replay(loaded, &connector, &selection, dry_run, output.format())).await;
        }
    }
    Ok(ExitReason::Done)
}

async fn replay(
    loaded: &LoadedConfig,
    connector: &PostgresConnector,
    selection: &DeadLetterSelection,
    dry_run: bool,
    format: OutputFormat,
) -> anyhow::Result<ExitReason> {
    let settings = &loaded.config.ingest;
    // It is one transaction: nothing of it is done before all of it is.
    let name = ProgressName {
        what: "replay",
        unit: "",
    };
    let replaying = Box::pin(dead_letters::replay(connector, settings, selection, dry_run));
    let report = progress::show(name, ProgressReading::default, replaying)
        .await
        .context("replay dead letters")?;
    let columns = || {
        vec![
            OutputColumn::new("dead_letter_id"),
            OutputColumn::new("place"),
            OutputColumn::new("result"),
        ]
    };
    let text = |_| {
        let mut out = String::new();
        for letter in &report.letters {
            let _ = writeln!(
                out,
                "{:>8}  {}  {}",
                letter.dead_letter_id, letter.place, letter.result
            );
        }
        let _ = writeln!(
            out,
            "{} {}, superseded by something newer {}, still dead {}",
            if dry_run { "would land" } else { "landed" },
            report.landed,
            report.superseded,
            report.still_dead
        );
        out
    };
    let rows = || OutputTable::of(columns(), &report.letters);
    print_answer(format, text, || &report, rows)?;
    Ok(if report.still_dead == 0 {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// Dead letters by reason, source and topic.
const LIST_DEAD_LETTERS: &str = "
        select reason, datacenter, cluster, topic, state,
            count(*) as records, min(dead_letter_id) as first_dead_letter_id, max(died_at) as last_died_at
        from fleet.dead_letter group by 1, 2, 3, 4, 5 order by state = 'open' desc, records desc, 1, 2, 3, 4";

async fn list(client: &Client, format: OutputFormat) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_DEAD_LETTERS, &[])
        .await
        .context("read fleet.dead_letter")?;
    let columns = vec![
        OutputColumn::new("reason"),
        OutputColumn::new("datacenter").data(),
        OutputColumn::new("cluster").data(),
        OutputColumn::words("cluster", output::cluster_name),
        OutputColumn::new("topic"),
        OutputColumn::new("state"),
        OutputColumn::new("records").shown_as(|row| output::count_field(row, "records")),
        OutputColumn::new("first_dead_letter_id").titled("first number"),
        OutputColumn::new("last_died_at")
            .instant()
            .titled("newest")
            .wide(),
        OutputColumn::words("age", |row| output::age_of_field(row, "last_died_at")),
    ];
    let table = OutputTable::of_query(columns, &rows)?;
    let states = rows.iter().map(|row| (row.get("state"), row.get("records")));
    let after = format!(
        "{}; one of them: fleetledger dead-letters show NUMBER",
        output::tally_of("dead letter", states)
    );
    print_rows(format, &table, "there are no dead letters", &after)?;
    Ok(())
}

/// One dead letter, with its record as far as it can be read.
async fn show(
    connector: &PostgresConnector,
    client: &Client,
    number: i64,
    format: OutputFormat,
) -> anyhow::Result<()> {
    let letter = dead_letters::show(connector, number)
        .await
        .context("show the dead letter")?;
    let record = match letter.record_value.as_deref() {
        Some(value) => Some(decode(client, number, value).await?),
        None => None,
    };
    let mut document = fields(&letter).context("read the dead letter's fields")?;
    let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
    add("record_key", json!(letter.record_key.as_deref().map(readable)));
    add("record_bytes", json!(letter.record_value.as_ref().map(Vec::len)));
    match &record {
        Some(Ok(record)) => {
            add("record", record.clone());
        }
        Some(Err(why)) => {
            add("not_decoded", json!(why));
            add("record_hex", json!(letter.record_value.as_deref().map(hex)));
        }
        None => {}
    }
    print_document(format, &document, || describe(number, &letter, record.as_ref()))
}

/// One dead letter for people.
fn describe(number: i64, whole: &DeadLetterDetail, record: Option<&Result<Value, String>>) -> String {
    let letter = &whole.summary;
    let mut out = format!("dead letter {number} ({})\n", letter.state);
    let _ = writeln!(
        out,
        "  place    {} partition {} offset {}",
        letter.topic, letter.partition, letter.record_offset
    );
    let _ = writeln!(
        out,
        "  times    in kafka {}, died {}",
        whole.kafka_at.as_deref().map_or("–".to_owned(), instant),
        instant(&letter.died_at)
    );
    let _ = writeln!(out, "  reason   {}: {}", letter.reason, letter.detail);
    if let Some(schema) = &whole.schema_ref {
        let _ = writeln!(out, "  schema   {schema}");
    }
    out.push_str("  headers\n");
    for header in whole.record_headers.as_array().into_iter().flatten() {
        let part = |index| header.get(index).map_or(String::new(), plain);
        let _ = writeln!(out, "    {:<18} {}", part(0), part(1));
    }
    let _ = writeln!(
        out,
        "  key      {}",
        whole.record_key.as_deref().map_or("none".to_owned(), readable)
    );
    let value = whole.record_value.as_deref().unwrap_or_default();
    match record {
        None => out.push_str("  value    none: a tombstone\n"),
        Some(Ok(record)) => {
            let _ = writeln!(out, "  value    {}\n{record:#}", counted(value.len(), "byte"));
        }
        Some(Err(why)) => {
            let _ = writeln!(
                out,
                "  value    {}\n  not decoded: {why}\n{}",
                counted(value.len(), "byte"),
                hex_lines(value)
            );
        }
    }
    out
}

/// The schema that a record names by its fingerprint: its cluster's own, else one of a release.
const READ_AVRO_SCHEMA: &str = "
    select schema_json from (
        select 1 as place, s.schema_json from ledger.announced_schema as s
        join ledger.cluster as c using (cluster_id)
        join ledger.dead_letter as d using (cluster_uid)
        where s.fingerprint = $1 and d.dead_letter_id = $2
        union all
        select 2, schema_json from ledger.avro_schema where fingerprint = $1
    ) as known order by place limit 1";

/// The record as JSON, or why it cannot be one.
async fn decode(client: &Client, number: i64, value: &[u8]) -> anyhow::Result<Result<Value, String>> {
    let (schema, body) = match framing::split(value) {
        Ok(split) => split,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let SchemaRef::Fingerprint(fingerprint) = schema else {
        return Ok(Err("its schema stands in a registry".to_owned()));
    };
    let found = client
        .query_opt(READ_AVRO_SCHEMA, &[&fingerprint.cast_signed(), &number])
        .await
        .context("read the schema of a dead letter")?;
    let Some(row) = found else {
        return Ok(Err(format!("schema {fingerprint:016x} is not known here")));
    };
    let schema = WriterSchema::parse(row.get(0)).map_err(|error| error.to_string());
    Ok(schema.and_then(|schema| {
        let decoded = schema.decode(body).map_err(|error| error.to_string())?;
        record_json(&decoded.record).map_err(|error| error.to_string())
    }))
}

fn record_json(record: &fleetledger_schema::record::Record) -> serde_json::Result<Value> {
    use fleetledger_schema::record::Record;
    match record {
        Record::Node(object) => serde_json::to_value(object),
        Record::Pod(object) => serde_json::to_value(object),
        Record::Namespace(object) => serde_json::to_value(object),
        Record::Workload(object) => serde_json::to_value(object),
        Record::Watchdog(object) => serde_json::to_value(object),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Text where it is printable, else hex.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("hex {}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Offset, hex and letters, 16 bytes a line.
fn hex_lines(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, line) in bytes.chunks(16).take(HEX_BYTES / 16).enumerate() {
        let letters: String = line
            .iter()
            .map(|byte| {
                if (0x20..0x7f).contains(byte) {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(out, "    {:06x}  {:<32}  {letters}", index * 16, hex(line));
    }
    if bytes.len() > HEX_BYTES {
        let _ = writeln!(out, "    … {} more", counted(bytes.len() - HEX_BYTES, "byte"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_or_hex() {
        assert_eq!(readable(b"dfw/a/u/1"), "dfw/a/u/1");
        assert_eq!(readable(b"\x00a"), "hex 0061");
        let lines = hex_lines(b"{\"kind\":\"Pod\"}\x00\x01more");
        assert!(
            lines.starts_with("    000000  7b226b696e64223a22506f64227d0001  {\"kind\":\"Pod\"}.."),
            "{lines}"
        );
    }
}
