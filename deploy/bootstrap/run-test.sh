#!/usr/bin/env bash
# Cargo's runner of test binaries, as test.sh sets it: starts one as soon as a slot is free and returns, so that tests
# which wait run beside tests which work. What a binary said is printed when it ends, in one piece.
#
# FLEETLEDGER_TEST_SLOTS is a fifo with a byte for each free slot, FLEETLEDGER_TEST_STATUS a folder for exit codes.
set -euo pipefail

binary=$1
# Documentation tests are deleted when their runner returns; and without slots there is nothing to wait for.
if [ -z "${FLEETLEDGER_TEST_SLOTS:-}" ] || [[ "$binary" != */deps/* ]]; then
    exec "$@"
fi

name=$(basename "$binary")
said="$FLEETLEDGER_TEST_STATUS/$name.log"
read -r -n 1 <"$FLEETLEDGER_TEST_SLOTS"
(
    status=0
    began=$SECONDS
    # What it and the parts that it has ended worked, in seconds.
    TIMEFORMAT='%U %S'
    { time "$@" >"$said" 2>&1 </dev/null; } 2>"$said.cpu" || status=$?
    cpu=$(awk '{ printf "%.0f", $1 + $2 }' "$said.cpu")
    printf '%s' "$status" >"$FLEETLEDGER_TEST_STATUS/$name.status"
    printf 1 >"$FLEETLEDGER_TEST_SLOTS"
    exec 8>"$FLEETLEDGER_TEST_STATUS/lock"
    flock 8
    printf '\n--- %s, %s s, %s s of CPU\n' "${name%-*}" "$((SECONDS - began))" "$cpu"
    cat "$said"
) &
