"""Reads every view of fleet and fleet_asof with each driver, and looks a pod up by a uid as each one binds it.

Arguments: host, port, user, database, a uid. Prints a JSON object a line: the driver, what it read, what it could not."""

import asyncio
import json
import sys
import uuid

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import sqlalchemy

host, port, user, database, uid = sys.argv[1:]
place = {"host": host, "port": int(port), "user": user}

VIEWS = """select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v' order by 1"""
LOOK_UP = "select count(*) from fleet.pod where uid = "


def report(driver, views, read, binds):
    """Reads each view by `read`, which gives its rows; tries each binding, which gives a count."""
    rows, errors, bound = 0, {}, {}
    for view in views:
        try:
            rows += len(read(view))
        except Exception as error:
            errors[view] = f"{type(error).__name__}: {error}"
    for name, bind in binds.items():
        try:
            bound[name] = bind()
        except Exception as error:
            bound[name] = type(error).__name__
    print(json.dumps({"driver": driver, "views": len(views), "rows": rows, "errors": errors, "bound": bound}))


def with_psycopg2():
    connection = psycopg2.connect(dbname=database, **place)
    connection.autocommit = True
    cursor = connection.cursor()

    def ask(query, parameters=None):
        cursor.execute(query, parameters)
        return cursor.fetchall()

    def count(query, parameters):
        return ask(query, parameters)[0][0]

    psycopg2.extras.register_uuid()
    report(
        f"psycopg2 {psycopg2.__version__.split()[0]}",
        [view for (view,) in ask(VIEWS)],
        lambda view: ask(f"select * from {view}"),
        {
            "str": lambda: count(LOOK_UP + "%s", (uid,)),
            "uuid.UUID": lambda: count(LOOK_UP + "%s", (uuid.UUID(uid),)),
            "list of str": lambda: count(LOOK_UP + "any(%s)", ([uid],)),
            "list of str, cast": lambda: count(LOOK_UP + "any(%s::uuid[])", ([uid],)),
            "list of uuid.UUID": lambda: count(LOOK_UP + "any(%s)", ([uuid.UUID(uid)],)),
        },
    )


def with_psycopg(binary):
    connection = psycopg.connect(dbname=database, autocommit=True, **place)
    cursor = connection.cursor(binary=binary)

    def ask(query, parameters=None):
        return cursor.execute(query, parameters, binary=binary).fetchall()

    def count(query, parameters):
        return ask(query, parameters)[0][0]

    report(
        f"psycopg {psycopg.__version__}{' binary' if binary else ''}",
        [view for (view,) in ask(VIEWS)],
        lambda view: ask(f"select * from {view}"),
        {
            "str": lambda: count(LOOK_UP + "%s", (uid,)),
            "str by %b": lambda: count(LOOK_UP + "%b", (uid,)),
            "str by %b, cast": lambda: count(LOOK_UP + "%b::uuid", (uid,)),
            "uuid.UUID": lambda: count(LOOK_UP + "%s", (uuid.UUID(uid),)),
            "list of str": lambda: count(LOOK_UP + "any(%s)", ([uid],)),
            "list of uuid.UUID": lambda: count(LOOK_UP + "any(%s)", ([uuid.UUID(uid)],)),
        },
    )


def with_sqlalchemy(dialect):
    engine = sqlalchemy.create_engine(f"postgresql+{dialect}://{user}@{host}:{port}/{database}")
    with engine.connect() as connection:
        views = [view for (view,) in connection.exec_driver_sql(VIEWS)]
        tables = sqlalchemy.MetaData()

        def reflected(view):
            schema, name = view.split(".")
            return sqlalchemy.Table(name, tables, schema=schema, autoload_with=connection)

        def count(condition, **parameters):
            where = sqlalchemy.text(LOOK_UP + condition)
            try:
                return connection.execute(where, parameters).scalar()
            finally:
                connection.rollback()

        pod = reflected("fleet.pod")

        def count_typed(value):
            return connection.execute(sqlalchemy.select(sqlalchemy.func.count()).where(pod.c.uid == value)).scalar()

        def read(view):
            try:
                return connection.execute(sqlalchemy.select(reflected(view))).all()
            finally:
                connection.rollback()

        report(
            f"SQLAlchemy {sqlalchemy.__version__} {dialect}",
            views,
            read,
            {
                "text(), str": lambda: count(":uid", uid=uid),
                "text(), str, cast": lambda: count("cast(:uid as uuid)", uid=uid),
                "text(), uuid.UUID": lambda: count(":uid", uid=uuid.UUID(uid)),
                "column, uuid.UUID": lambda: count_typed(uuid.UUID(uid)),
                "column, str": lambda: count_typed(uid),
            },
        )


def with_asyncpg():
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(database=database, **place))

    def ask(query, *parameters):
        return loop.run_until_complete(connection.fetch(query, *parameters))

    report(
        f"asyncpg {asyncpg.__version__}",
        [row[0] for row in ask(VIEWS)],
        lambda view: ask(f"select * from {view}"),
        {
            "str": lambda: ask(LOOK_UP + "$1", uid)[0][0],
            "uuid.UUID": lambda: ask(LOOK_UP + "$1", uuid.UUID(uid))[0][0],
            "list of str": lambda: ask(LOOK_UP + "any($1)", [uid])[0][0],
        },
    )


with_psycopg2()
with_psycopg(binary=False)
with_psycopg(binary=True)
with_sqlalchemy("psycopg")
with_sqlalchemy("psycopg2")
with_asyncpg()
