#!/usr/bin/env bash
# Makes this machine able to run `make demo` or `make test`: bootstrap.sh demo|test
#
# It looks first and does only what is missing. As root, or where `sudo -n` works, it installs
# packages and says so; otherwise it prints one line to run and ends with 3. No service is started:
# PostgreSQL's server is unpacked into the cache, never installed.
set -euo pipefail

mode=${1:?usage: bootstrap.sh demo|test}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/bootstrap/places.sh
. "$here/places.sh"
repository=$(cd "$here/../.." && pwd)

say() { printf 'bootstrap: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
in_ci() { [ "${CI:-}" = true ]; }

# The words before a command that must run as root; fails where there is no way without asking.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}
can_install() { has apt-get && { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }; }

check_linux() {
    if [ "$(uname -s)" != Linux ]; then
        say "this machine runs $(uname -s); fleetledger builds and runs on Linux (Debian 12, Ubuntu 24.04 or alike)"
        exit 3
    fi
}

check_rust() {
    [ ! -x "$HOME/.cargo/bin/cargo" ] || PATH="$HOME/.cargo/bin:$PATH"
    if ! has cargo; then
        say "Rust is missing; install it with:"
        say "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
        exit 3
    fi
    # The version and its components stand in rust-toolchain.toml; rustup fetches them when asked.
    if ! (cd "$repository" && cargo clippy --version && cargo fmt --version) >/dev/null 2>&1; then
        say "fetching the Rust toolchain that rust-toolchain.toml names"
        (cd "$repository" && rustup toolchain install) >&2 || {
            say "cargo $(cargo --version 2>&1 | head -n 1) does not work here; run: rustup toolchain install"
            exit 3
        }
    fi
}

# Asked once: later runs use what the first one filled.
check_disk() {
    local stamp="$FLEETLEDGER_CACHE/.disk-$mode" needed_gb=$1 free_gb
    mkdir -p "$FLEETLEDGER_CACHE"
    [ ! -e "$stamp" ] || return 0
    free_gb=$(($(df -Pk "$FLEETLEDGER_CACHE" | awk 'NR == 2 { print $4 }') / 1048576))
    if [ "$free_gb" -lt "$needed_gb" ]; then
        say "$FLEETLEDGER_CACHE has $free_gb GB free and make $mode needs $needed_gb GB; free some, or set FLEETLEDGER_CACHE to a folder on a larger disk"
        exit 3
    fi
    say "using $FLEETLEDGER_CACHE (up to $needed_gb GB)"
    touch "$stamp"
}

# Packages whose programs or headers are missing.
missing_for_build() {
    has git || echo git
    has make || echo make
    { has cc && has c++; } || echo build-essential
    has pkg-config || echo pkg-config
    { has pkg-config && pkg-config --exists openssl; } || echo libssl-dev
    { has pkg-config && pkg-config --exists zlib; } || echo zlib1g-dev
}
missing_for_tests() {
    has java || echo default-jre-headless
    has mvn || echo maven
    # Grafana's published types and their compiler; psql for `fleetledger sql`.
    { has node && has npm; } || printf 'nodejs\nnpm\n'
    has psql || echo postgresql-client
    # The browser that looks at the console's pages, where it is a package (elsewhere it is a snap, and its test is skipped).
    has chromedriver || ! grep -q '^ID=debian' /etc/os-release || printf 'chromium\nchromium-driver\n'
    # Python's drivers of PostgreSQL, and as a wheel a Go where it is too old or missing.
    has_pip || echo python3-pip
}
has_pip() { python3 -m pip --version >/dev/null 2>&1; }

install() {
    say "installing: apt-get install -y --no-install-recommends $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2 && return
    say "package lists may be old: apt-get update"
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
}

# PostgreSQL from the system, else unpacked into the cache, else (at first start) a wheel.
postgres_runs() { # bin library-path
    LD_LIBRARY_PATH=$2 "$1/postgres" --version >/dev/null 2>&1 && LD_LIBRARY_PATH=$2 "$1/initdb" --version >/dev/null 2>&1
}
has_postgres() {
    local bin major
    for bin in /usr/lib/postgresql/*/bin "$FLEETLEDGER_CACHE"/debian/usr/lib/postgresql/*/bin; do
        major=$(basename "$(dirname "$bin")")
        [ -d "$bin" ] && [ "$major" -ge 15 ] && postgres_runs "$bin" "$(libraries "$FLEETLEDGER_CACHE/debian")" && return
    done
    [ -d "$FLEETLEDGER_CACHE/postgres-wheel" ]
}
libraries() { echo "$1/usr/lib/$(uname -m)-linux-gnu"; }
unpack_postgres() (
    exec 9>"$FLEETLEDGER_CACHE/debian.lock"
    flock 9
    has_postgres && return
    has apt-get || return
    package=$(apt-cache search --names-only '^postgresql-[0-9]+$' | awk '{ print $1 }' | sort -t- -k2 -n | tail -n 1)
    [ -n "$package" ] && [ "${package#postgresql-}" -ge 15 ] || return
    say "unpacking $package into the cache; nothing is installed and no service starts"
    staging="$FLEETLEDGER_CACHE/debian.staging"
    rm -rf "$staging" && mkdir -p "$staging/archives"
    (cd "$staging/archives" && apt-get download -q "$package" libpq5) >&2 || return
    for archive in "$staging"/archives/*.deb; do dpkg -x "$archive" "$staging"; done
    rm -rf "$staging/archives"
    postgres_runs "$staging/usr/lib/postgresql/${package#postgresql-}/bin" "$(libraries "$staging")" || return
    rm -rf "$FLEETLEDGER_CACHE/debian" && mv "$staging" "$FLEETLEDGER_CACHE/debian"
)

# Their packages are unpacked into the cache by the tests themselves; all they need is a list that knows them.
knows() { has "$1" || [ -d "$FLEETLEDGER_CACHE/$2" ] || apt-cache show "$1" >/dev/null 2>&1; }
find_packages() {
    has apt-get || return 0
    if knows prometheus-alertmanager alertmanager && knows pgbouncer pgbouncer && knows kubernetes-client kubectl; then return 0; fi
    say "package lists do not know prometheus-alertmanager, pgbouncer or kubernetes-client: apt-get update"
    as_root apt-get update -qq >&2 || say "its tests are skipped and counted; to run them: sudo apt-get update"
}

check_linux
check_rust
if [ "$mode" = test ]; then check_disk 20; else check_disk 8; fi

mapfile -t needed < <(missing_for_build)
mapfile -t wished < <([ "$mode" != test ] || missing_for_tests)
if ! has_postgres && ! unpack_postgres && ! has_pip; then needed+=(postgresql); fi

all=("${needed[@]}" "${wished[@]}")
if [ ${#all[@]} -gt 0 ]; then
    if can_install; then
        install "${all[@]}"
    else
        say "packages are missing and this user may not install them; run:"
        say "  sudo apt-get install -y --no-install-recommends ${all[*]}"
        if [ ${#needed[@]} -gt 0 ] || in_ci; then exit 3; fi
        say "going on without: tests that need them are skipped and counted"
    fi
fi
[ "$mode" != test ] || find_packages
