#!/usr/bin/env bash
# Builds the binary of a release, with its commit and date in it (`fleetledger version` says them).
#
#   deploy/release/build.sh
#
# The date is SOURCE_DATE_EPOCH, by default that of the newest commit, so that the same commit gives the same bytes. The commit
# is FLEETLEDGER_COMMIT, by default what git says, with -dirty after it where files were changed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/release/inputs.sh
. deploy/release/inputs.sh
# SOURCE_DATE_EPOCH is not set here where it was not: libraries in C are built anew whenever it changes, and fleetledger/build.rs
# asks git for the commit's date itself.
export FLEETLEDGER_COMMIT="$commit"
exec cargo build --locked --release --bin fleetledger
