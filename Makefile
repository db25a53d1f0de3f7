# Every target begins with the bootstrap, which is quick when nothing is missing.
# Builds and fetched parts live outside the tree: see deploy/bootstrap/places.sh.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Options of `fleetledger demo`, such as DEMO_ARGS="--for 60s".
DEMO_ARGS ?=
# More arguments of `cargo test --workspace`, such as TEST_ARGS="--test kafka" or TEST_ARGS=poison.
TEST_ARGS ?=
# What `make bench` measures (everything where it is empty), and its options, such as BENCH_ARGS="--scale 0.1".
BENCH ?=
BENCH_ARGS ?=
# What `make soak` runs: soak (kills, crashes, fail-over, a lost broker), away (memory without Kafka and without the
# database), kill, trace (the production trace, and TRACE_DAYS of its cost), quiet (QUIET_HOURS of a simulated fleet under every
# rule), story (STORY_MINUTES of a demo that is left alone, and every rule over the hours it played). Its seed, its number of kills, how long it lasts at least; and how long Kafka is away under so many
# changes a second.
SOAK_TEST ?= soak
SOAK_SEED ?= 5150
SOAK_KILLS ?= 200
SOAK_SECONDS ?= 0
AWAY_SECONDS ?= 600
AWAY_CHANGES ?= 5000
AWAY_RECORDS ?= 1000000
TRACE_DAYS ?= 150
QUIET_HOURS ?= 26
STORY_MINUTES ?= 120
# Kill tests need the fail points; one set of features, so that one build serves all targets.
FEATURES ?= --features fleetledger/fail-points

WITH_PLACES := . deploy/bootstrap/places.sh &&
BOOTSTRAP := deploy/bootstrap/bootstrap.sh
export FEATURES TEST_ARGS
# The checkout that `make measure` measures; this one where it is empty.
MEASURE ?=

# Where `make sbom` writes.
SBOM ?= $(CURDIR)/sbom.cdx.json

# Where `make release` writes.
RELEASE ?= $(CURDIR)/release

# The ledger whose panels `make grafana-check` runs, as the reader; a filled one of its own where it is empty.
GRAFANA_POSTGRES ?=

.PHONY: help demo test check bench soak measure grafana-check audit sbom pictures release fmt clean

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Three simulated datacenters, a broker and a PostgreSQL, with questions to paste into psql.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) cargo build --locked --workspace --bin fleetledger
	@$(WITH_PLACES) exec "$$CARGO_TARGET_DIR/debug/fleetledger" demo $(DEMO_ARGS)

test: ## Everything, with real Kafka, PostgreSQL, kube-apiserver and Alertmanager.
	@deploy/bootstrap/test.sh

check: ## Format, lints and unit tests: before every commit.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) cargo fmt --all --check
	@$(WITH_PLACES) cargo clippy --locked --workspace --all-targets $(FEATURES) -- -D warnings
	@$(WITH_PLACES) cargo test --locked --workspace --exclude fleetledger-tests $(FEATURES) --lib --bins

bench: ## Benchmarks of a release build, about an hour; BENCH=ingest, emit, freshness, storage, asof, recovery, scaling, dashboards, viewers, rules or cost.
	@$(BOOTSTRAP) test
	@$(WITH_PLACES) env -u CFLAGS cargo build --locked --release -p fleetledger -p fleetledger-bench
	@$(WITH_PLACES) exec "$$CARGO_TARGET_DIR/release/fleetledger-bench" $(BENCH) $(BENCH_ARGS)

soak: ## The long form of the fault tests; what it says is kept under bench/results/.
	@$(BOOTSTRAP) test
	@$(WITH_PLACES) cargo build --locked --workspace $(FEATURES) --bin fleetledger
	@$(WITH_PLACES) FLEETLEDGER_REPORT_DIR=$(CURDIR)/bench/results RUST_LOG=off \
		FLEETLEDGER_SOAK_SEED=$(SOAK_SEED) FLEETLEDGER_SOAK_KILLS=$(SOAK_KILLS) FLEETLEDGER_SOAK_SECONDS=$(SOAK_SECONDS) \
		FLEETLEDGER_AWAY_SECONDS=$(AWAY_SECONDS) FLEETLEDGER_AWAY_CHANGES=$(AWAY_CHANGES) FLEETLEDGER_AWAY_RECORDS=$(AWAY_RECORDS) \
		FLEETLEDGER_TRACE_DAYS=$(TRACE_DAYS) FLEETLEDGER_QUIET_HOURS=$(QUIET_HOURS) FLEETLEDGER_STORY_MINUTES=$(STORY_MINUTES) \
		cargo test --locked --workspace $(FEATURES) --test $(SOAK_TEST) -- --nocapture --test-threads 1

pictures: ## The pictures of README, taken of a demo that runs: of a terminal, and of the console in Chromium.
	@$(BOOTSTRAP) test
	@$(WITH_PLACES) FLEETLEDGER_PICTURES=$(CURDIR)/docs/pictures cargo test --locked --workspace $(FEATURES) --test real_parts pictures

release: ## A container image in OCI's layout and an archive with completions and man pages, in RELEASE.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) env -u CFLAGS deploy/release/build.sh
	@$(WITH_PLACES) deploy/release/image.sh "$$CARGO_TARGET_DIR/release/fleetledger" $(RELEASE)/image
	@$(WITH_PLACES) deploy/release/archive.sh "$$CARGO_TARGET_DIR/release/fleetledger" $(RELEASE)/fleetledger.tar.gz

measure: ## How the sources are written: names, lengths, SQL, places of a column; MEASURE=folder for another checkout.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) cargo run --quiet --locked -p fleetledger-tests --example measure -- $(MEASURE)

grafana-check: ## Every panel of every dashboard on a ledger, without Grafana; GRAFANA_POSTGRES=URL runs them on yours, as the reader.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) FLEETLEDGER_GRAFANA_POSTGRES=$(GRAFANA_POSTGRES) cargo test --locked --workspace $(FEATURES) --test grafana -- --nocapture

audit: ## Licences, bans and sources of dependencies, as in make test, and RustSec's advisories (from GitHub; skipped loudly without it).
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) cargo run --quiet --locked -p fleetledger-tests --example audit

# cargo-cyclonedx writes beside each Cargo.toml, so it is given a copy of the manifests' tree.
sbom: ## What the binary is built of, as CycloneDX: sbom.cdx.json; SBOM=file for another place.
	@$(BOOTSTRAP) demo
	@$(WITH_PLACES) deploy/bootstrap/sbom.sh $(SBOM)

fmt: ## Formats the sources.
	@$(WITH_PLACES) cargo fmt --all

clean: ## Removes this clone's builds; fetched parts stay.
	@$(WITH_PLACES) rm -rf "$$CARGO_TARGET_DIR"
