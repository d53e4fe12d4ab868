"""Measure exported SQL in DuckDB, PostgreSQL and Spark beside `pql score`, on the same files in the same run.

    python warehouse.py PQL [-o FILE.md] [--duckdb 1,10,100] [--postgres 1,10] [--spark 1,10] [--runs N] [--work DIR]

PQL         the binary
-o          file for the Markdown tables; default: stdout. The text between `<!-- warehouse -->` and `<!-- /warehouse -->` is replaced
--duckdb, --postgres, --spark
            sizes in millions of events; empty: skip the engine
--runs      runs of each command; the median counts (default: 3, and 1 from 10 million events on)
--work      folder for results and data, which is reused; default: ~/.cache/pql/bench

pql and the engine run by turns, so that another load of the machine slows both. Each file is read once before. The times of the engines
are those of planning and running one statement, without their start; the time of pql is that of its process. Needs the packages of
tests/engines-requirements.txt.
"""
import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from bench import markdown
from measure import HERE, Bench, Run, Table, duration, once, peer, say, size, times, warm

MARKS = ["<!-- warehouse -->", "<!-- /warehouse -->"]
# Accounts of a simulated log of a million events.
ACCOUNTS = 10_000
# The end of the simulated log.
AT = "2025-10-12"
# All open accounts are scored at the end of the log.
SETS = ["--set", "observation.cutoffs=snapshot", "--set", "observation.every=28d", "--set", "observation.horizon=28d"]
SETS += ["--set", 'features.windows=["7d","14d","28d"]', "--set", "features.event_types=10"]
TABLES = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"]
NAMES = {"duckdb": "DuckDB", "postgres": "PostgreSQL", "spark": "Spark"}


def main() -> None:
    args = arguments()
    bench = Bench(args.pql.resolve(), args.work, 1.0, None, args.runs)
    models = train(bench)
    tables = [statements(bench, models)]
    for engine in NAMES:
        if sizes := getattr(args, engine):
            tables.append(beside(bench, models, engine, sizes))
    if args.duckdb:
        tables.append(staged(bench, models, args.duckdb))
    if args.spark:
        tables.append(plan(bench, models))
    text = "\n".join([machine(args), "", *(line for table in tables for line in markdown(table))])
    print(text)
    if args.out:
        before, after = args.out.read_text().split(MARKS[0], 1)
        args.out.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after.split(MARKS[1], 1)[1]}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = lambda text: [float(size) for size in text.split(",") if size]
    parser.add_argument("pql", type=Path)
    parser.add_argument("-o", dest="out", type=Path)
    for engine, default in (("duckdb", "1,10,100"), ("postgres", "1,10"), ("spark", "1,10")):
        parser.add_argument(f"--{engine}", type=sizes, default=sizes(default))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/pql/bench")
    return parser.parse_args()


def machine(args) -> str:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    version = subprocess.run([args.pql, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    others = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("duckdb", "pyspark"))
    load = os.getloadavg()[2]
    return (f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}. {version}, {others}, Python {platform.python_version()}. "
            f"Load average of the last 15 minutes, which includes this benchmark: {load:.1f}.")


def log(bench: Bench, millions: float) -> Path:
    return bench.log(round(ACCOUNTS * millions))


def train(bench: Bench) -> Path:
    """Trains the model of all measurements, on a million events."""
    folder, models = log(bench, 1), bench.out("models")
    once([bench.pql, "train", "-c", folder / "pql.toml", *SETS, "--name", "bench", "--models", models, "--no-test-rows", "--quiet"])
    return models


def export(bench: Bench, models: Path, engine: str, *more: str) -> Path:
    path = bench.out(f"{engine}{''.join(more)}.sql")
    options = ["--models", models, "-c", log(bench, 1) / "pql.toml", *SETS, *TABLES, "--at", AT, "--quiet", "-o", path]
    once([bench.pql, "export", "sql", "bench", "--dialect", engine, *options, *more])
    return path


def statements(bench: Bench, models: Path) -> Table:
    size_of = lambda *words: f"{export(bench, models, *words).stat().st_size / 1000:.0f} KB"
    forms = [[], ["--no-interval"], ["--part", "features"]]
    rows = [[NAMES.get(engine, name), *(size_of(engine, *form) for form in forms)]
            for engine, name in ((*NAMES.items(), ("bigquery", "BigQuery"), ("snowflake", "Snowflake")))]
    return Table("Size of the statement", ["", "scores", "`--no-interval`", "`--part features`"], rows)


def turns(bench: Bench, commands: dict[str, list], runs: int) -> dict[str, Run]:
    """Runs each command in each round; returns medians."""
    found = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(once(command))
    def median(of: list[Run]) -> Run:
        answer = {key: statistics.median(run.answer[key] for run in of) for key in of[0].answer}
        cpu = statistics.median(run.answer.get("cpu", run.cpu) for run in of)
        return Run(statistics.median(run.seconds for run in of), max(run.memory for run in of), answer, cpu)
    result = {name: median(of) for name, of in found.items()}
    for name, run in result.items():
        say(f"  {name}: {duration(run.seconds)}, {size(run.memory)}")
    return result


def runs(bench: Bench, millions: float) -> int:
    return bench.runs if millions < 10 else 1


def beside(bench: Bench, models: Path, engine: str, sizes: list[float]) -> Table:
    statement, rows = export(bench, models, engine), []
    for millions in sizes:
        say(f"{NAMES[engine]}, {millions:g} million events")
        folder = log(bench, millions)
        warm(folder / "events.parquet", folder / "accounts.parquet")
        score = [bench.pql, "score", "bench", "--models", models, "-c", folder / "pql.toml", *SETS, "--at", AT, "--quiet", "-o", bench.out("scores.parquet")]
        found = turns(bench, {"pql score": score, NAMES[engine]: peer("sql", engine, statement, folder, bench.out("engine.parquet"))}, runs(bench, millions))
        ours, theirs = found.values()
        row = [f"{millions:g} million", duration(ours.seconds), duration(theirs.seconds), times(theirs.seconds / ours.seconds), duration(theirs.answer["plan"])]
        if engine == "duckdb":
            row += [duration(ours.cpu), duration(theirs.cpu), size(ours.memory), size(theirs.memory)]
        rows.append(row)
    head = ["events", "pql score", NAMES[engine], "relative to pql", "planning"]
    if engine == "duckdb":
        head += ["CPU of pql", "CPU of DuckDB", "memory of pql", "memory of DuckDB"]
    return Table(f"Scores in {NAMES[engine]}", head, rows)


def staged(bench: Bench, models: Path, sizes: list[float]) -> Table:
    """Compares the exported features with those of the staged peer, both in DuckDB."""
    import duckdb

    statement, rows = export(bench, models, "duckdb", "--part", "features"), []
    for millions in sizes:
        say(f"staged, {millions:g} million events")
        folder = log(bench, millions)
        observations, out = bench.out("observations.parquet"), bench.out("features.parquet")
        once([bench.pql, "features", "--model", "bench", "--models", models, "-c", folder / "pql.toml", *SETS, "--at", AT, "--quiet", "-o", observations])
        names = duckdb.sql(f"DESCRIBE FROM '{observations}'").fetchall()
        counts = ",".join(name[len("count_"):-len("_7d")] for name, *_ in names if name.startswith("count_") and name.endswith("_7d"))
        files = [folder / "events.parquet", folder / "accounts.parquet", observations, bench.out("peer.parquet"), "--counts", counts]
        warm(*files[:3])
        found = turns(bench, {"exported": peer("sql", "duckdb", statement, folder, out), "peer": peer("features_duckdb", *files)}, bench.runs if millions < 100 else 1)
        ours, theirs = found.values()
        row = [duration(ours.seconds), duration(theirs.seconds), times(theirs.seconds / ours.seconds)]
        rows.append([f"{millions:g} million", *row, duration(ours.cpu), duration(theirs.cpu)])
    head = ["events", "exported", "staged peer", "speedup", "CPU of the exported one", "CPU of the peer"]
    return Table("Features in DuckDB: the exported statement and the staged peer", head, rows)


def plan(bench: Bench, models: Path) -> Table:
    statement, folder = export(bench, models, "spark"), log(bench, 1)
    found = once(peer("sql", "spark", statement, folder, bench.out("explain"), "--explain")).answer
    events = found["events"]
    rows = [["scans of the events", str(events["reads"])],
            ["`Exchange` nodes that move single events", str(events.get("single", 0))],
            ["scans whose events are counted before they are moved", str(events.get("counted", 0))],
            ["`Exchange` nodes in all", str(sum(found["shuffles"].values()))]]
    return Table("The plan of Spark", ["", "number"], rows)


if __name__ == "__main__":
    main()
