# Sourced: where builds and fetched parts are kept, outside the tree. Both can be set by the caller.
#
# The same rule as fleetledger_local::Cache::default_root.
if [ -z "${FLEETLEDGER_CACHE:-}" ]; then
    if [ "$(id -u)" = 0 ]; then
        FLEETLEDGER_CACHE=/var/cache/fleetledger
    else
        FLEETLEDGER_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/fleetledger"
    fi
fi
# One folder a clone: cargo cannot tell two clones' sources apart in one.
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
    clone=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    CARGO_TARGET_DIR="$FLEETLEDGER_CACHE/target-$(printf %s "$clone" | cksum | cut -d' ' -f1)"
fi
[ ! -x "$HOME/.cargo/bin/cargo" ] || case ":$PATH:" in
    *":$HOME/.cargo/bin:"*) ;;
    *) PATH="$HOME/.cargo/bin:$PATH" ;;
esac
# C of dependencies, librdkafka above all, is compiled for a short first build, as their Rust is: of that library's 124 s of
# CPU half go into its own -O2 and debug information. Release builds unset this.
: "${CFLAGS=-O1 -g0}"
export FLEETLEDGER_CACHE CARGO_TARGET_DIR PATH CFLAGS
