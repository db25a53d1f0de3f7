# Sourced by build.sh, image.sh and archive.sh, from the tree's root: what they make a release of, and how they pack it, so that
# the same inputs give the same bytes.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
commit=${FLEETLEDGER_COMMIT:-$(git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || true)}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

require_program() { # file
    [ -x "$1" ] || { echo "$1 is no program: build it with cargo build --release --bin fleetledger" >&2; exit 2; }
}

# Debug information is of no use where there is no debugger.
install_program() { # from to
    install -m 0755 "$1" "$2"
    if command -v strip >/dev/null; then strip "$2"; fi
}

# The rules that ship, with their tests; the crate that runs them lies beside them.
copy_rules() { # folder
    (cd queries && find . \( -path ./src -o -path ./tests \) -prune -o \( -name '*.sql' -o -name '*.yaml' \) -print0 |
        tar --null -cf - -T -) | tar -xf - -C "$1"
}

# Prints a tar of what stands below a folder.
pack() { # folder name
    tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=posix \
        --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf - -C "$1" "$2"
}
