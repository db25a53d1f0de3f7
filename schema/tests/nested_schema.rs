//! What it costs to refuse a schema whose names stand for more and more. It is alone in its process, whose memory it reads.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Instant;

use fleetledger_schema::codec::WriterSchema;

/// Most that memory may grow by over all attempts, in bytes.
const MOST_BYTES: u64 = 1 << 20;
const ATTEMPTS: u32 = 1_000;

/// A pod's schema in which each level holds `width` fields of the level below it.
fn level_by_level(levels: usize, width: usize) -> String {
    let leaf = r#"{"type":"record","name":"L0","fields":[{"name":"x","type":"long"}]}"#.to_owned();
    let nested = (1..=levels).fold(leaf, |below, level| {
        let again: String = (1..width)
            .map(|field| format!(r#",{{"name":"f{field}","type":"L{}"}}"#, level - 1))
            .collect();
        format!(r#"{{"type":"record","name":"L{level}","fields":[{{"name":"f0","type":{below}}}{again}]}}"#)
    });
    format!(
        r#"{{"type":"record","name":"Pod","namespace":"io.fleetledger.v1","fields":[{{"name":"f","type":{nested}}}]}}"#
    )
}

/// Most memory that this process ever had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn twelve_levels_of_nested_names_are_refused_within_a_megabyte() {
    let text = level_by_level(12, 8);
    // What is loaded once is no cost of a schema.
    let refused = WriterSchema::parse(&text).unwrap_err();
    let (before, started) = (peak_bytes(), Instant::now());
    for _ in 0..ATTEMPTS {
        assert_eq!(WriterSchema::parse(&text).unwrap_err(), refused);
    }
    let (took, grown) = (started.elapsed() / ATTEMPTS, peak_bytes() - before);
    println!(
        "12 levels of 8 ({} bytes): {refused}; {took:.1?} each, memory grew by {grown} bytes in {ATTEMPTS} attempts",
        text.len()
    );
    assert!(grown <= MOST_BYTES, "{grown} bytes");
}
