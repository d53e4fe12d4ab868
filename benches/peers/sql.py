"""Run a statement of `pql export sql` in an engine, from Parquet to Parquet (PostgreSQL: from table to table).

    python sql.py duckdb|postgres|spark STATEMENT FOLDER OUT [--explain]

FOLDER has events.parquet and accounts.parquet. The last line is JSON: seconds of planning and running without the start of the engine and
without loading; `plan`, the seconds of planning; in DuckDB `cpu`, the seconds of all cores; with --explain `shuffles`, the Exchange nodes of Spark by kind, and
`events`, how its plan reads them.
"""
import collections
import json
import os
import re
import sys
import time
from pathlib import Path

TABLES = ["events", "accounts"]


def duckdb(statement: str, folder: Path, out: str) -> dict:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET memory_limit = '8GB'; SET max_temp_directory_size = '8GB'; SET temp_directory = '{out}.tmp'")
    for name in TABLES:
        connection.execute(f"CREATE VIEW {name} AS FROM '{folder / name}.parquet'")
    start = time.perf_counter()
    connection.execute("EXPLAIN " + statement)
    planned, cpu = time.perf_counter(), time.process_time()
    connection.execute(f"COPY ({statement}) TO '{out}' (FORMAT parquet)")
    return {"plan": planned - start, "seconds": time.perf_counter() - planned, "cpu": time.process_time() - cpu}


def postgres(statement: str, folder: Path, out: str) -> dict:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests/engines"))
    import run

    server = run.Postgres()
    try:
        connection = server.connection
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name in TABLES:
                server.load(cursor, [name], folder / f"{name}.parquet")
                cursor.execute(f"ANALYZE {name}")
            for setting in ("work_mem = '1GB'", "max_parallel_workers_per_gather = 2"):
                cursor.execute(f"SET {setting}")
            start = time.perf_counter()
            cursor.execute("EXPLAIN " + statement)
            planned = time.perf_counter()
            cursor.execute("CREATE TABLE result AS " + statement)
            return {"plan": planned - start, "seconds": time.perf_counter() - planned}
    finally:
        server.stop()


def spark(statement: str, folder: Path, out: str, explain: bool) -> dict:
    from pyspark.sql import SparkSession

    os.environ["TZ"] = "UTC"
    cores = os.cpu_count()
    settings = {
        "spark.driver.memory": "8g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(4 * cores),
        "spark.local.dir": str(Path(out).parent),
    }
    builder = SparkSession.builder.master(f"local[{cores}]").appName("pql")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    for name in TABLES:
        session.read.parquet(str(folder / f"{name}.parquet")).createOrReplaceTempView(name)
    start = time.perf_counter()
    frame = session.sql(statement)
    plan = frame._jdf.queryExecution().executedPlan().toString()
    planned = time.perf_counter()
    answer = {"plan": planned - start}
    if explain:
        answer |= {"shuffles": shuffles(plan), "events": event_reads(plan)}
        Path(out + ".plan.txt").write_text(plan)
    else:
        frame.write.mode("overwrite").parquet(out)
        answer["seconds"] = time.perf_counter() - start
    session.stop()
    return answer


def shuffles(plan: str) -> dict:
    """Counts the Exchange nodes of a plan by their partitioning; a reused one counts once."""
    found = re.findall(r"(?<!Reused)(?<!Broadcast)Exchange (\w+)(?:\(([^\n]*?), \d+\))?", plan)
    keys = [f"{kind}({re.sub(r'#[0-9]+L?', '', columns)})" if columns else kind for kind, columns in found]
    return dict(collections.Counter(keys))


def event_reads(plan: str) -> dict:
    """Counts how often a plan of Spark reads the events, and what happens to them first: Exchange nodes that move single events, or counts."""
    found, above = collections.Counter(), []
    for line in plan.splitlines():
        if not (node := re.match(r"([ :]*)(?:[+:]- )?(?:\*\(\d+\) )?(\w+)(.*)", line)):
            continue
        depth = len(node[1])
        above = [(level, name) for level, name in above if level < depth]
        above.append((depth, node[2]))
        if node[2] == "FileScan" and "events.parquet" in node[3]:
            first = next((name for _, name in reversed(above) if name == "Exchange" or name.endswith("Aggregate")), "")
            found["reads"] += 1
            found["single" if first == "Exchange" else "counted"] += 1
    return dict(found)


if __name__ == "__main__":
    engine, statement, folder, out = sys.argv[1:5]
    given = [Path(statement).read_text(), Path(folder), out]
    work = {"duckdb": duckdb, "postgres": postgres, "spark": spark}[engine]
    print(json.dumps(work(*given, "--explain" in sys.argv) if engine == "spark" else work(*given)))
