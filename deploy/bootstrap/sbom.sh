#!/usr/bin/env bash
# What the binary is built of, as CycloneDX JSON: sbom.sh FILE
#
# The tool is the CycloneDX project's own. It writes beside each Cargo.toml, so it is given a copy of what is checked in.
set -euo pipefail

file=${1:?usage: sbom.sh FILE}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/bootstrap/places.sh
. "$here/places.sh"
version=0.5.9
tool="$FLEETLEDGER_CACHE/cargo-cyclonedx-$version"
[ -x "$tool/bin/cargo-cyclonedx" ] ||
    cargo install --quiet --locked --root "$tool" --version "$version" cargo-cyclonedx

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cd "$here/../.."
git ls-files -z | tar --create --null --files-from - | tar --extract --directory "$copy"
(cd "$copy" && "$tool/bin/cargo-cyclonedx" cyclonedx --quiet --manifest-path fleetledger/Cargo.toml \
    --format json --spec-version 1.5 --override-filename sbom)
# Where the copy lay says nothing to a reader.
sed "s|$copy|.|g" "$copy/fleetledger/sbom.json" >"$file"
printf '%s: %s components\n' "$file" "$(grep -c '"purl"' "$file")"
