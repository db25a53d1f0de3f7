#!/usr/bin/env bash
# apache-avro 0.22 for Rust does not compute the parsing canonical form that the Avro specification defines.
#
# The specification's first transformation, PRIMITIVES, turns {"type": "long", ...} into "long", and STRIP drops every other
# attribute, logicalType among them. Java, and fastavro here, do so. The crate keeps {"type":"long"} for a field with a
# logical type, so its fingerprint, which is what single-object encoding names a schema by, is another one: Java's
# BinaryMessageDecoder refuses what the crate's single-object writer writes. Without a logical type both agree.
#
# Seen with apache-avro 0.22.0 and fastavro 1.13.1:
#   schema with timestamp-micros:  crate {"...","type":{"type":"long"}...}   fastavro {"...","type":"long"...}
#   fingerprints differ; for the same schema without the logical type they are equal.
#
# Needs cargo with a registry, python3 with pip. Ends with 0 while it behaves so, else with 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

with='{"type":"record","name":"R","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}'
without='{"type":"record","name":"R","fields":[{"name":"at","type":"long"}]}'

mkdir -p "$folder/crate/src"
cat >"$folder/crate/Cargo.toml" <<'TOML'
[package]
name = "canonical"
version = "0.0.0"
edition = "2021"

[dependencies]
apache-avro = { version = "=0.22.0", default-features = false }

[workspace]
TOML
cat >"$folder/crate/src/main.rs" <<'RUST'
use apache_avro::{rabin::Rabin, Schema};

fn main() {
    for text in std::env::args().skip(1) {
        let schema = Schema::parse_str(&text).expect("schema");
        println!("{} {}", schema.fingerprint::<Rabin>(), schema.canonical_form());
    }
}
RUST
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/python" fastavro==1.13.1 2>/dev/null
cat >"$folder/canonical.py" <<'PYTHON'
import json
import sys

from fastavro.schema import fingerprint, to_parsing_canonical_form

for text in sys.argv[1:]:
    form = to_parsing_canonical_form(json.loads(text))
    print(fingerprint(form, "CRC-64-AVRO"), form)
PYTHON

(cd "$folder/crate" && cargo run --quiet -- "$with" "$without") >"$folder/rust.txt"
PYTHONPATH="$folder/python" python3 "$folder/canonical.py" "$with" "$without" >"$folder/python.txt"

echo "apache-avro 0.22.0:"
sed 's/^/  /' "$folder/rust.txt"
echo "fastavro 1.13.1:"
sed 's/^/  /' "$folder/python.txt"

line() { sed -n "$2p" "$folder/$1.txt" | cut -d' ' -f1; }
if [ "$(line rust 1)" != "$(line python 1)" ] && [ "$(line rust 2)" = "$(line python 2)" ] &&
    grep -q '"type":{"type":"long"}' "$folder/rust.txt"; then
    echo "as described: the crate's form keeps the object around a logical type's primitive"
else
    echo "the behaviour has changed"
    exit 1
fi
