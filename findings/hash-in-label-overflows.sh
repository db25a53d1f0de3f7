#!/usr/bin/env bash
# A label such as 12e4567, as an abbreviated commit can be, is infinity to readers of the YAML that kubectl writes.
#
# kubectl writes YAML with sigs.k8s.io/yaml. It puts a text into quotes where reading it back would give something else:
# "12e34" is a number, so it is quoted. 12e4567 is written plain, because Go's parser of floats fails on what is beyond a
# 64-bit float, and the text remains a text. YAML 1.2's core schema knows no such limit: by its pattern the plain word is a
# float, and readers that follow it give infinity, or refuse the document. `kubectl get -o yaml` piped through them loses the
# label; JSON has no such trouble.
#
# Seen with sigs.k8s.io/yaml 1.6.0 writing  commit: 12e4567 / exponent: "12e34":
#   npm yaml 2.9.1          commit is Infinity (null once it is written as JSON)
#   Rust serde-saphyr 2.1.1 refuses the document into JSON: non-finite float
#   npm js-yaml 4.3.2, PyYAML 6.0.4 and Rust serde_yaml_ng 0.10.0: the text that was written
#
# Needs go, node with npm, cargo and python3 with pip, each with its registry. Ends with 0 while it behaves so, else with 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT

mkdir -p "$folder/writer" "$folder/node" "$folder/rust/src"
cat >"$folder/writer/go.mod" <<'GO'
module writer

go 1.22

require sigs.k8s.io/yaml v1.6.0
GO
cat >"$folder/writer/main.go" <<'GO'
package main

import (
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, err := yaml.Marshal(map[string]string{"commit": "12e4567", "exponent": "12e34"})
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(text)
}
GO
(cd "$folder/writer" && GOFLAGS=-mod=mod go run . 2>/dev/null) >"$folder/labels.yaml"
echo "sigs.k8s.io/yaml 1.6.0 writes:"
sed 's/^/  /' "$folder/labels.yaml"

(cd "$folder/node" && npm install --silent --no-fund --no-audit yaml@2.9.1 js-yaml@4.3.2 >/dev/null)
read_in_node() { # package, name of its function
    (cd "$folder/node" && node -e "
        const text = require('fs').readFileSync('$folder/labels.yaml', 'utf8');
        console.log(String(require('$1').$2(text).commit));")
}

python3 -m pip install --quiet --disable-pip-version-check --target "$folder/python" pyyaml==6.0.4 2>/dev/null
read_in_python() {
    PYTHONPATH="$folder/python" python3 -c "import yaml; print(yaml.safe_load(open('$folder/labels.yaml'))['commit'])"
}

cat >"$folder/rust/Cargo.toml" <<'TOML'
[package]
name = "reader"
version = "0.0.0"
edition = "2021"

[dependencies]
serde-saphyr = { version = "=2.1.1", default-features = false, features = ["deserialize"] }
serde_yaml_ng = "=0.10.0"
serde_json = "1"

[workspace]
TOML
cat >"$folder/rust/src/main.rs" <<'RUST'
use serde_json::Value;

fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).expect("file")).expect("text");
    match serde_saphyr::from_str::<Value>(&text) {
        Ok(labels) => println!("{}", labels["commit"]),
        Err(error) if error.to_string().contains("non-finite") => println!("refused"),
        Err(error) => println!("{error}"),
    }
    println!("{}", serde_yaml_ng::from_str::<Value>(&text).expect("labels")["commit"].as_str().expect("text"));
}
RUST
(cd "$folder/rust" && cargo run --quiet -- "$folder/labels.yaml") >"$folder/rust.txt"

seen="yaml $(read_in_node yaml parse), js-yaml $(read_in_node js-yaml load), PyYAML $(read_in_python)"
seen="$seen, serde-saphyr $(sed -n 1p "$folder/rust.txt"), serde_yaml_ng $(sed -n 2p "$folder/rust.txt")"
echo "commit as read: $seen"
if [ "$(head -1 "$folder/labels.yaml")" = 'commit: 12e4567' ] && grep -q 'exponent: "12e34"' "$folder/labels.yaml" &&
    [ "$seen" = "yaml Infinity, js-yaml 12e4567, PyYAML 12e4567, serde-saphyr refused, serde_yaml_ng 12e4567" ]; then
    echo "as described: the plain word is infinity to readers of YAML 1.2"
else
    echo "the behaviour has changed"
    exit 1
fi
