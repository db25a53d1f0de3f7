#!/usr/bin/env bash
# Makes a container image of the binary, in OCI's layout, without a daemon and without a base image.
#
#   deploy/release/image.sh BINARY FOLDER
#
# FOLDER becomes the layout: `skopeo copy oci:FOLDER docker://registry/fleetledger:0.1.0` pushes it, `podman load` and
# `ctr image import` take it as a tar. In it: the binary, the shared libraries it is linked to, the system's certificates, the
# rules and the runbooks that ship. No shell, no package manager; it runs as user 65532 and needs no writable file.
#
# The same inputs give the same bytes: every instant in it is SOURCE_DATE_EPOCH, by default that of the newest commit.
set -euo pipefail

[ $# = 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binary=$(realpath "$1")
layout=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/release/inputs.sh
. deploy/release/inputs.sh
require_program "$binary"
if [ -e "$layout" ] && [ -n "$(ls -A "$layout")" ]; then
    echo "$layout is not empty: name another folder, or remove it" >&2
    exit 2
fi

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(uname -m) ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base="$work/base" program="$work/program"

# What seldom changes: libraries, certificates, the user.
mkdir -p "$base/etc/ssl/certs" "$base/tmp" "$base/usr/lib"
ln -s usr/lib "$base/lib"
ln -s usr/lib "$base/lib64"
# `name => path (address)`, and the loader by its path alone.
ldd "$binary" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' | while read -r library; do
    # By the name that the binary asks for, wherever the system keeps it.
    install -m 0755 "$(readlink -f "$library")" "$base/usr/lib/$(basename "$library")"
done
certificates=/etc/ssl/certs/ca-certificates.crt
[ -f "$certificates" ] || { echo "$certificates is missing; install it with: apt-get install ca-certificates" >&2; exit 3; }
install -m 0644 "$certificates" "$base$certificates"
printf 'root:x:0:0:root:/:/none\nfleetledger:x:65532:65532:fleetledger:/:/none\n' >"$base/etc/passwd"
printf 'root:x:0:\nfleetledger:x:65532:\n' >"$base/etc/group"
printf 'hosts: files dns\n' >"$base/etc/nsswitch.conf"
chmod 1777 "$base/tmp"

# What changes with every version.
mkdir -p "$program/usr/bin" "$program/etc/fleetledger/queries" "$program/etc/fleetledger/runbooks"
install_program "$binary" "$program/usr/bin/fleetledger"
copy_rules "$program/etc/fleetledger/queries"
cp docs/runbooks/*.md "$program/etc/fleetledger/runbooks/"
cp LICENSE "$program/etc/fleetledger/"

mkdir -p "$layout/blobs/sha256"
digest() { sha256sum "$1" | cut -d' ' -f1; }
# Puts a file among the blobs and says its digest and size.
blob() { # file
    local sum size
    sum=$(digest "$1")
    size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$sum"
    printf '%s %s' "$sum" "$size"
}
layer() { # folder: packs it; prints the digest of the tar, and digest and size of the blob
    local tar="$work/layer.tar" plain
    chmod -R u=rwX,go=rX "$1"
    [ ! -d "$1/tmp" ] || chmod 1777 "$1/tmp"
    pack "$1" . >"$tar"
    plain=$(digest "$tar")
    gzip -n -9 "$tar"
    printf '%s %s\n' "$plain" "$(blob "$tar.gz")"
}
read -r base_plain base_sum base_size < <(layer "$base")
read -r program_plain program_sum program_size < <(layer "$program")

created=$(date -u -d "@$epoch" +%FT%TZ)
labels=$(printf '"org.opencontainers.image.title":"fleetledger","org.opencontainers.image.version":"%s","org.opencontainers.image.revision":"%s","org.opencontainers.image.licenses":"Apache-2.0","org.opencontainers.image.created":"%s"' \
    "$version" "$revision" "$created")
printf '{"created":"%s","architecture":"%s","os":"linux","config":{"User":"65532:65532","Env":["PATH=/usr/bin","SSL_CERT_FILE=%s"],"Entrypoint":["/usr/bin/fleetledger"],"WorkingDir":"/","StopSignal":"SIGTERM","Labels":{%s}},"rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]},"history":[{"created":"%s","created_by":"libraries and certificates"},{"created":"%s","created_by":"fleetledger %s"}]}' \
    "$created" "$architecture" "$certificates" "$labels" "$base_plain" "$program_plain" "$created" "$created" "$version" >"$work/config.json"
read -r config_sum config_size < <(blob "$work/config.json"; echo)
layer_type=application/vnd.oci.image.layer.v1.tar+gzip
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s","digest":"sha256:%s","size":%s},{"mediaType":"%s","digest":"sha256:%s","size":%s}],"annotations":{%s}}' \
    "$config_sum" "$config_size" "$layer_type" "$base_sum" "$base_size" "$layer_type" "$program_sum" "$program_size" "$labels" >"$work/manifest.json"
read -r manifest_sum manifest_size < <(blob "$work/manifest.json"; echo)
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
    "$manifest_sum" "$manifest_size" "$architecture" "$version" >"$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"

printf 'fleetledger:%s %s, %s MB in two layers: %s\n' "$version" "$architecture" "$(((base_size + program_size) / 1000000))" "$layout"
printf 'sha256:%s\n' "$manifest_sum"
