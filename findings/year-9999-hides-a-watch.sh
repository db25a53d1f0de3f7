#!/usr/bin/env bash
# One object with an instant of the last day of the year 9999, which API servers take, hides its whole resource from kube-rs.
#
# metav1.Time in Go reads and writes 9999-12-31T23:59:59Z, which people and controllers write for "never". k8s-openapi holds
# instants in jiff::Timestamp, which ends at 9999-12-30T22:00:00Z, so that every zone still shows the year 9999. The object is
# refused, and a watch event or a page of a list with it. kube-client then reads the same line as a Status, all of whose
# fields have defaults: the watcher reports an API error without code, reason or message, lists again, and fails again.
#
# Seen with k8s-openapi 0.29.0 (v1_35), kube-core 5.0.0, k8s.io/apimachinery 0.35.4:
#   Go: 9999-12-31T23:59:59Z is read and written as it is
#   Rust: the event cannot be read; 9999-12-30T22:00:00Z can
#   Rust: the event's line is a Status with code 0 and no message
#
# Needs go and cargo with their registries. Ends with 0 while it behaves so, else with 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT

mkdir -p "$folder/go" "$folder/rust/src"
cat >"$folder/go/go.mod" <<'GO'
module instants

go 1.25

require k8s.io/apimachinery v0.35.4
GO
cat >"$folder/go/main.go" <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	var at metav1.Time
	if err := json.Unmarshal([]byte(`"9999-12-31T23:59:59Z"`), &at); err != nil {
		panic(err)
	}
	text, err := json.Marshal(at)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
GO
cat >"$folder/rust/Cargo.toml" <<'TOML'
[package]
name = "instants"
version = "0.0.0"
edition = "2021"

[dependencies]
k8s-openapi = { version = "=0.29.0", features = ["v1_35", "schemars"] }
kube-core = "=5.0.0"
serde_json = "1"

[workspace]
TOML
cat >"$folder/rust/src/main.rs" <<'RUST'
use k8s_openapi::api::core::v1::Pod;
use kube_core::{response::Status, WatchEvent};

fn main() {
    for at in ["9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z"] {
        let line = format!(
            r#"{{"type":"ADDED","object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"status":{{"startTime":"{at}"}}}}}}"#
        );
        let event = serde_json::from_str::<WatchEvent<Pod>>(&line);
        let status: Status = serde_json::from_str(&line).expect("all of its fields have defaults");
        println!("{at} read {} status code {} message '{}'", event.is_ok(), status.code, status.message);
    }
}
RUST

go_said=$(cd "$folder/go" && GOFLAGS=-mod=mod go run . 2>/dev/null)
(cd "$folder/rust" && cargo run --quiet) >"$folder/rust.txt"
echo "k8s.io/apimachinery 0.35.4: $go_said"
sed 's/^/k8s-openapi 0.29.0: /' "$folder/rust.txt"
if [ "$go_said" = '"9999-12-31T23:59:59Z"' ] &&
    grep -q "^9999-12-31T23:59:59Z read false status code 0 message ''" "$folder/rust.txt" &&
    grep -q "^9999-12-30T22:00:00Z read true" "$folder/rust.txt"; then
    echo "as described: an instant that Kubernetes takes hides the resource, and the error says nothing"
else
    echo "the behaviour has changed"
    exit 1
fi
