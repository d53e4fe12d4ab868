"""Measures reading a table of PostgreSQL beside `\\copy`.

    databases.py PQL [--millions 20] [--reading]

Needs the packages of `make engines` and PostgreSQL (`make servers`). The server runs on this machine, so that both
share its processors. Prints a table in Markdown.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests/engines"))
import run

ACCOUNTS = 200_000

EVENTS = """
    CREATE UNLOGGED TABLE events AS
    SELECT 'account-' || (n * 7919 % {accounts}) AS account_id,
        'user-' || (n * 104729 % {users}) AS user_id,
        (ARRAY['login', 'report', 'share', 'invite', 'export'])[1 + n % 5] AS event,
        timestamptz '2025-01-01' + interval '1 second' * (n * 31 % 31000000) AS timestamp
    FROM generate_series(1::bigint, {rows}) AS n
"""

PROJECT = """
[connections.warehouse]
driver = "postgresql"
uri = {{ env = "WAREHOUSE_URI" }}

[[events]]
connection = "warehouse"
table = "events"
event = "{event}"
"""

def timed(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pql", type=pathlib.Path)
    parser.add_argument("--millions", type=float, default=20)
    parser.add_argument("--reading", action="store_true", help="measure reading alone")
    args = parser.parse_args()
    rows = int(args.millions * 1e6)
    server = run.Postgres()
    try:
        with server.connection, server.connection.cursor() as cursor:
            cursor.execute(EVENTS.format(accounts=ACCOUNTS, users=3 * ACCOUNTS, rows=rows))
        address = f"postgresql://pql@127.0.0.1:{server.port}/postgres"
        environment = {**os.environ, "WAREHOUSE_URI": address, "VIRTUAL_ENV": sys.prefix}
        with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder:
            folder = pathlib.Path(folder)
            psql = [run.postgres_folder() / "psql", address, "-qc"]
            copy = rf"\copy events to '{folder}/events.csv' csv header"
            times = {"psql, `\\copy`": timed(lambda: subprocess.run([*psql, copy], check=True))}
            # A missing column ends the program as soon as the rows are read.
            runs = [("pql, reading alone", "missing", 3), ("pql ingest", "event", 0)]
            for name, event, code in runs[: 1 if args.reading else 2]:
                project = folder / "pql.toml"
                project.write_text(PROJECT.format(event=event))
                command = [args.pql.resolve(), "ingest", "-q", "-c", project, "-o", folder / "out"]

                def read():
                    done = subprocess.run(command, env=environment, capture_output=True, text=True)
                    assert done.returncode == code, done.stderr

                times[name] = timed(read)
    finally:
        server.stop()
    print(f"| {rows:,} rows | seconds | rows per second |\n|---|---:|---:|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.1f} | {rows / seconds:,.0f} |")
    ratio = times["pql, reading alone"] / times["psql, `\\copy`"]
    print(f"\nReading the table takes {ratio:.2f} times as long as `\\copy`.")


if __name__ == "__main__":
    main()
