//! `fleetledger dead-letters list|show|replay`.

use std::fmt::Write as _;

use anyhow::Context as _;
use fleetledger_ingest::dead_letters::{self, DeadLetterSelection};
use fleetledger_schema::{
    codec::WriterSchema,
    framing::{self, SchemaRef},
    postgres::PostgresConnector,
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::clusters;
use crate::{
    cli::DeadLettersCommand,
    config::LoadedConfig,
    exit::ExitReason,
    output::{self, age_of, count, counted, instant, print_json},
    setup::database,
};

/// Bytes of a value that are printed where it cannot be decoded.
const HEX_BYTES: usize = 512;

pub(super) async fn run(loaded: &LoadedConfig, command: DeadLettersCommand) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-dead-letters").await?;
    match command {
        DeadLettersCommand::List(args) => list(&client, args.json).await?,
        DeadLettersCommand::Show { number } => print!("{}", show(&connector, &client, number).await?),
        DeadLettersCommand::Replay {
            reason,
            cluster,
            dry_run,
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
            return replay(loaded, &connector, &selection, dry_run).await;
        }
    }
    Ok(ExitReason::Done)
}

async fn replay(
    loaded: &LoadedConfig,
    connector: &PostgresConnector,
    selection: &DeadLetterSelection,
    dry_run: bool,
) -> anyhow::Result<ExitReason> {
    let settings = &loaded.config.ingest;
    let report = dead_letters::replay(connector, settings, selection, dry_run)
        .await
        .context("replay dead letters")?;
    for letter in &report.letters {
        println!(
            "{:>8}  {}  {}",
            letter.dead_letter_id, letter.place, letter.result
        );
    }
    println!(
        "{} {}, superseded by something newer {}, still dead {}",
        if dry_run { "would land" } else { "landed" },
        report.landed,
        report.superseded,
        report.still_dead
    );
    Ok(if report.still_dead == 0 {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// Dead letters by reason, source and topic.
const LIST_DEAD_LETTERS: &str = "
        select reason, coalesce(datacenter || '/' || cluster, 'unknown source') as cluster, topic, state,
            count(*) as records, min(dead_letter_id) as first_number, max(died_at)::text as newest
        from fleet.dead_letter group by 1, 2, 3, 4 order by state = 'open' desc, records desc, 1, 2, 3";

async fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_DEAD_LETTERS, &[])
        .await
        .context("read fleet.dead_letter")?;
    if as_json {
        let document = |row: &tokio_postgres::Row| {
            json!({
                "reason": row.get::<_, String>("reason"),
                "cluster": row.get::<_, String>("cluster"),
                "topic": row.get::<_, String>("topic"),
                "state": row.get::<_, String>("state"),
                "records": row.get::<_, i64>("records"),
                "first_number": row.get::<_, i64>("first_number"),
                "newest": row.get::<_, String>("newest"),
            })
        };
        print_json(&rows.iter().map(document).collect());
        return Ok(());
    }
    if rows.is_empty() {
        println!("there are no dead letters");
        return Ok(());
    }
    let row = |row: &tokio_postgres::Row| {
        vec![
            row.get("reason"),
            row.get("cluster"),
            row.get("topic"),
            row.get("state"),
            count(row.get("records")),
            row.get::<_, i64>("first_number").to_string(),
            instant(row.get("newest")),
            age_of(row.get("newest")),
        ]
    };
    let mut states: Vec<(String, i64)> = Vec::new();
    for row in &rows {
        let (state, records) = (row.get("state"), row.get::<_, i64>("records"));
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, sum)) => *sum += records,
            None => states.push((state, records)),
        }
    }
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    print!(
        "{}",
        output::list(
            &[
                "reason",
                "cluster",
                "topic",
                "state",
                "records",
                "first number",
                "newest",
                "age"
            ],
            &rows
        )
    );
    let sum = states.iter().map(|(_, records)| records).sum::<i64>();
    let states: Vec<String> = states
        .iter()
        .map(|(state, records)| format!("{} {state}", count(*records)))
        .collect();
    println!(
        "{}: {}; one of them: fleetledger dead-letters show NUMBER",
        counted(sum, "dead letter"),
        states.join(", ")
    );
    Ok(())
}

/// One dead letter for people.
async fn show(connector: &PostgresConnector, client: &Client, number: i64) -> anyhow::Result<String> {
    let whole = dead_letters::show(connector, number)
        .await
        .context("show the dead letter")?;
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
    let Some(value) = whole.record_value.as_deref() else {
        out.push_str("  value    none: a tombstone\n");
        return Ok(out);
    };
    let _ = writeln!(out, "  value    {}", counted(value.len(), "byte"));
    match decode(client, number, value).await? {
        Ok(document) => {
            let _ = writeln!(out, "{document:#}");
        }
        Err(why) => {
            let _ = writeln!(out, "  not decoded: {why}\n{}", hex_lines(value));
        }
    }
    Ok(out)
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
