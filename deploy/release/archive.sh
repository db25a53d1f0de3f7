#!/usr/bin/env bash
# Packs a release for machines without a container runtime.
#
#   deploy/release/archive.sh BINARY FILE.tar.gz
#
# In it: bin/, completions for bash, zsh and fish, man pages, the rules and runbooks that ship, configuration, systemd units and
# manifests. The same inputs give the same bytes, as with image.sh.
set -euo pipefail

[ $# = 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binary=$(realpath "$1")
archive=$(realpath -m "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/release/inputs.sh
. deploy/release/inputs.sh
require_program "$binary"

name="fleetledger-$version-$(uname -m)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root="$work/$name"

mkdir -p "$root/bin" "$root/completions" "$root/man/man1" "$root/queries" "$root/deploy"
install_program "$binary" "$root/bin/fleetledger"
"$binary" completions bash >"$root/completions/fleetledger.bash"
"$binary" completions zsh >"$root/completions/_fleetledger"
"$binary" completions fish >"$root/completions/fleetledger.fish"
"$binary" man-pages "$root/man/man1" >/dev/null
copy_rules "$root/queries"
cp -R docs/runbooks "$root/runbooks"
cp -R deploy/config deploy/cost deploy/grafana deploy/kubernetes deploy/postgres deploy/systemd "$root/deploy/"
cp LICENSE CHANGELOG.md "$root/"

chmod -R u=rwX,go=rX "$root"
mkdir -p "$(dirname "$archive")"
pack "$work" "$name" | gzip -n -9 >"$archive.part"
mv "$archive.part" "$archive"
printf '%s, %s MB\n' "$archive" "$(($(stat -c %s "$archive") / 1000000))"
