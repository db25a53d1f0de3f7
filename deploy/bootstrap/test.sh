#!/usr/bin/env bash
# What `make test` does, stage by stage, each with its time; the last line counts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
# shellcheck source=deploy/bootstrap/places.sh
. "$here/places.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export FLEETLEDGER_SKIPPED_FILE="$work/skipped"
: >"$FLEETLEDGER_SKIPPED_FILE"
: >"$work/tests.log"
# Everything is built with the fail points the kill tests need.
read -r -a features <<<"${FEATURES:---features fleetledger/fail-points}"
read -r -a test_arguments <<<"${TEST_ARGS:-}"

stages=()
stage() { # name command...
    local name=$1 started=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    "$@" || status=$?
    stages+=("$name $((SECONDS - started)) s")
    if [ "$status" != 0 ]; then
        printf '=== %s failed (%s) after %s s\n' "$name" "$status" "$((SECONDS - started))"
        return "$status"
    fi
}

build() { cargo build --locked --workspace --all-targets "${features[@]}"; }
# Fetched before the tests, so that no test waits for a download or a build.
parts() { "$CARGO_TARGET_DIR/debug/examples/fetch"; }
style() {
    cargo fmt --all --check &&
        cargo clippy --locked --workspace --all-targets "${features[@]}" -- -D warnings
}
# Two test binaries at a time, see run-test.sh: most of them wait more than they work. The pipe ends with the last of them.
tests() {
    [[ " ${test_arguments[*]} " == *" -- "* ]] || test_arguments+=(-- --show-output)
    local slots="$work/slots" status=0 target
    target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    mkfifo "$slots"
    exec 7<>"$slots"
    printf '%*s' "${FLEETLEDGER_TEST_JOBS:-2}" '' >&7
    mkdir "$work/status"
    env FLEETLEDGER_TEST_SLOTS="$slots" FLEETLEDGER_TEST_STATUS="$work/status" \
        "CARGO_TARGET_${target}_RUNNER=$here/run-test.sh" \
        cargo test --locked --workspace "${features[@]}" --no-fail-fast "${test_arguments[@]}" 7>&- 2>&1 |
        tee "$work/tests.log" | findings || status=$?
    exec 7>&-
    # A binary that died says no result of its own.
    if grep -L '^0$' "$work"/status/*.status | sed 's/^.*\//ended badly: /; s/-[0-9a-f]*\.status$//' | grep .; then status=1; fi
    return "$status"
}
# The schema and the way of a record into it, once more on each newer server; one that cannot be had is counted as skipped.
versions() {
    local version status=0
    for version in ${FLEETLEDGER_POSTGRES_VERSIONS:-17 18}; do
        printf 'PostgreSQL %s\n' "$version"
        FLEETLEDGER_POSTGRES=$version cargo test --locked --workspace "${features[@]}" --no-fail-fast \
            --test catalogue --test team --test ingest 2>&1 | tee -a "$work/tests.log" | grep -E '^(test result|test .* FAILED)' || status=1
    done
    return "$status"
}
# What passing tests print are the figures they found; what they log is not asked for.
findings() { awk '/^successes:$/ { passed = 1 } /^(failures:|test result:)/ { passed = 0 } !(passed && /^\033\[2m[0-9]/); { fflush() }'; }
count() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) } END { print n + 0 }' "$work/tests.log"; }

failed_stages=0
if stage bootstrap "$here/bootstrap.sh" test && stage build build; then
    stage style style || failed_stages=1
    stage parts parts || failed_stages=1
    stage tests tests || failed_stages=1
    [ -n "${TEST_ARGS:-}" ] || stage versions versions || failed_stages=1
else
    failed_stages=1
fi

skipped=$(wc -l <"$FLEETLEDGER_SKIPPED_FILE")
passed=$(($(count passed) - skipped))
failed=$(count failed)
printf '\n'
[ "$skipped" = 0 ] || sed 's/^/skipped: /' "$FLEETLEDGER_SKIPPED_FILE"
sed -n 's/^test \(.*\) \.\.\. FAILED$/failed: \1/p' "$work/tests.log"
# What to shorten first, and whether it works or waits.
printf 'slowest, and their CPU time: %s\n' "$(sed -n 's/^--- \(.*\), \([0-9]*\) s, \([0-9]*\) s of CPU$/\2 s \1 (\3 s)/p' "$work/tests.log" | sort -rn | head -20 | paste -sd ',' | sed 's/,/, /g')"
printf 'CPU time of tests: %s s\n' "$(sed -n 's/^--- .* s, \([0-9]*\) s of CPU$/\1/p' "$work/tests.log" | awk '{ n += $1 } END { print n + 0 }')"
printf 'time: %s\n' "$(IFS=,; echo "${stages[*]}" | sed 's/,/, /g')"
printf '%s passed, %s failed\n' "$passed" "$failed"
printf 'ran %s, skipped %s\n' "$((passed + failed))" "$skipped"
[ "$failed_stages" = 0 ] && [ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
