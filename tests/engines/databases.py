"""A database for the tests of connections.

    databases.py postgres | sqlite FILE | duckdb FILE

The first line of stdout is {"uri": ADDRESS, "driver": PATH or NAME, "preload": PATH or null}. Then each line of
stdin is a JSON request, and each line of stdout its response. The database ends with stdin.

Request:  {"sql": TEXT} or {"table": NAME, "csv": PATH, "types": {COLUMN: TYPE, ...}}, where other columns are text
Response: {"rows": [[VALUE, ...], ...]} or {"error": TEXT}

The user `ann` of PostgreSQL needs the password `s3cret/w0rd`; all other users of this machine need none.
"""

import csv
import importlib.util
import json
import os
import pathlib
import sqlite3
import sys
import sysconfig

import run

PASSWORD = "s3cret/w0rd"


class Postgres:
    def __init__(self):
        self.server = run.Postgres()
        self.connection = self.server.connection
        self.connection.autocommit = True
        rules = pathlib.Path(self.server.home, "data", "pg_hba.conf")
        rules.write_text(f"host all ann 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        cursor = self.connection.cursor()
        cursor.execute(f"CREATE ROLE ann LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        cursor.execute("SELECT pg_reload_conf()")

    def address(self):
        port = self.server.port
        return {"uri": f"postgresql://ann:s3cret%2Fw0rd@127.0.0.1:{port}/postgres", "driver": "postgresql"}

    def execute(self, sql, rows=None):
        cursor = self.connection.cursor()
        if rows is None:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
        from psycopg2.extras import execute_values

        execute_values(cursor, sql.split(" VALUES ")[0] + " VALUES %s", rows, page_size=5_000)

    def stop(self):
        self.server.stop()


class SQLite:
    def __init__(self, path):
        self.path = path
        self.connection = sqlite3.connect(path)

    def address(self):
        return {"uri": self.path, "driver": "sqlite"}

    def execute(self, sql, rows=None):
        if rows is None:
            found = self.connection.execute(sql).fetchall()
        else:
            found = self.connection.executemany(sql, rows).fetchall()
        self.connection.commit()
        return found

    def stop(self):
        self.connection.close()


class DuckDB:
    """A file that is opened for each request: two processes cannot have it open."""

    def __init__(self, path):
        self.path = path
        self.execute("SELECT 1")

    def address(self):
        # The package of Python is the library of DuckDB; it needs that of Python.
        python = pathlib.Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
        driver = importlib.util.find_spec("_duckdb").origin
        return {"uri": self.path, "driver": driver, "preload": str(python) if python.is_file() else None}

    def execute(self, sql, rows=None):
        import duckdb

        with duckdb.connect(self.path, config={"threads": 2}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            if rows is None:
                return connection.execute(sql).fetchall()
            connection.execute("BEGIN")
            connection.executemany(sql, rows)
            connection.execute("COMMIT")

    def stop(self):
        pass


def load(database, request):
    """Creates a table from a CSV file, whose empty cells are null, or from Parquet."""
    if request["csv"].endswith(".parquet"):
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(request["csv"])
        header, rows = table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))
    else:
        with open(request["csv"], newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    columns = ", ".join(f'"{name}" {request["types"].get(name, "TEXT")}' for name in header)
    database.execute(f"CREATE TABLE {request['table']} ({columns})")
    marks = ", ".join("?" for _ in header)
    rows = [[None if cell == "" else cell for cell in row] for row in rows]
    database.execute(f"INSERT INTO {request['table']} VALUES ({marks})", rows)
    return []


def main(kind, *path):
    database = {"postgres": Postgres, "sqlite": SQLite, "duckdb": DuckDB}[kind](*path)
    try:
        print(json.dumps({"preload": None} | database.address()), flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                rows = load(database, request) if "csv" in request else database.execute(request["sql"])
                response = {"rows": [list(row) for row in rows]}
            except Exception as error:
                response = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(response, default=str), flush=True)
    finally:
        database.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
