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
# How long `make soak` kills and restarts, and which test binary does it.
SOAK_SECONDS ?= 3600
SOAK_TEST ?= kill
# Kill tests need the fail points; one set of features, so that one build serves all targets.
FEATURES ?= --features fleetledger/fail-points

WITH_PLACES := . deploy/bootstrap/places.sh &&
BOOTSTRAP := deploy/bootstrap/bootstrap.sh
export FEATURES TEST_ARGS

.PHONY: help demo test check bench soak audit fmt clean

help: ## This list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bench: ## Benchmarks of a release build, about 25 minutes; BENCH=ingest, emit, freshness, storage, asof, recovery or scaling.
	@$(BOOTSTRAP) test
	@$(WITH_PLACES) cargo build --locked --release -p fleetledger -p fleetledger-bench
	@$(WITH_PLACES) exec "$$CARGO_TARGET_DIR/release/fleetledger-bench" $(BENCH) $(BENCH_ARGS)

soak: ## Random kills under churn for SOAK_SECONDS.
	@$(BOOTSTRAP) test
	@$(WITH_PLACES) FLEETLEDGER_SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --workspace $(FEATURES) --test $(SOAK_TEST) -- --nocapture

audit: ## Licences, advisories and sources of dependencies (needs the network and cargo-deny).
	@$(WITH_PLACES) cargo deny --version >/dev/null 2>&1 || { echo "install it with: cargo install --locked cargo-deny" >&2; exit 3; }
	@$(WITH_PLACES) cargo deny --all-features check

fmt: ## Formats the sources.
	@$(WITH_PLACES) cargo fmt --all

clean: ## Removes this clone's builds; fetched parts stay.
	@$(WITH_PLACES) rm -rf "$$CARGO_TARGET_DIR"
