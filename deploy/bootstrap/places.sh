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
export FLEETLEDGER_CACHE CARGO_TARGET_DIR PATH
