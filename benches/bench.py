"""Measure pql, DuckDB, Polars, scikit-learn, glum and linfa-logistic on the same files in one run.

    python bench.py PQL [--kernels KERNELS] [-o FILE.md] [--only SECTION,…] [--scale 0.01] [--runs N] [--work DIR]

PQL        the binary; `pql-score` is in the same folder
--kernels  the binary of `cargo bench --profile dev --bench kernels --no-run`; without it fit and path are skipped
-o         file for the Markdown tables; default: stdout. In a file with the lines `<!-- speed -->` and
           `<!-- /speed -->` the text between them is replaced
--only     sections, see SECTIONS below
--scale    multiplier of all sizes; 0.001 only tests that everything runs
--runs     runs of each command; the median counts (default: 3)
--work     folder for results and data, which is reused; default: ~/.cache/pql/bench

A time is the median of up to three runs: of the whole process for pql, without imports for the others. Every file is read once before the
measurement. Memory is the peak resident set of the whole process. Needs numpy, polars, pyarrow, duckdb, scikit-learn, glum; with the
kernels it takes about 25 minutes on 2 cores.
"""
import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import cutoffs
import discover
import end
import features
import fits
import score
import start
import threads
from measure import Bench, Table, say

SECTIONS = {"features": features.run, "scaling": features.scaling, "cutoffs": cutoffs.run, "fit": fits.run, "path": fits.path, "score": score.run,
            "events": score.events, "end": end.run, "discover": discover.run, "start": start.run, "threads": threads.run}
PACKAGES = ["polars", "duckdb", "numpy", "scikit-learn", "glum"]
MARKS = ["<!-- speed -->", "<!-- /speed -->"]


def main() -> None:
    args = arguments()
    bench = Bench(args.pql.resolve(), args.work, args.scale, args.kernels, args.runs)
    tables = []
    for name in args.only:
        if name in ("fit", "path") and not bench.kernels:
            say(f"{name}: skipped without --kernels")
            continue
        say(f"{name}: {SECTIONS[name].__doc__ or sys.modules[SECTIONS[name].__module__].__doc__}".strip())
        tables += SECTIONS[name](bench)
    text = "\n".join([machine(args), "", *markdown(goals(bench)), *(line for table in tables for line in markdown(table))])
    print(text)
    if args.out:
        replace(args.out, text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pql", type=Path)
    parser.add_argument("--kernels", type=Path)
    parser.add_argument("-o", dest="out", type=Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/pql/bench")
    args = parser.parse_args()
    if unknown := set(args.only) - set(SECTIONS):
        parser.error(f"unknown section {', '.join(unknown)}; known: {', '.join(SECTIONS)}")
    return args


def machine(args) -> str:
    """Returns the machine, versions and scale."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    version = subprocess.run([args.pql, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    others = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    scale = "" if args.scale == 1 else f" All sizes × {args.scale:g}."
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}. {version}, {others}, Python {platform.python_version()}.{scale}"


def version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def goals(bench: Bench) -> Table:
    return Table("Goals", ["measure", "goal", "measured", "reached"], [[g.what, g.aim, g.found, "yes" if g.reached else "no"] for g in bench.goals])


def markdown(table: Table) -> list[str]:
    line = lambda cells: f"| {' | '.join(cells)} |"
    ruler = line(["---"] + ["---:"] * (len(table.head) - 1))
    return [f"### {table.title}", "", line(table.head), ruler, *map(line, table.rows), "", *([table.words, ""] if table.words else [])]


def replace(path: Path, text: str) -> None:
    before, after = (path.read_text() if path.exists() else "\n".join(["# Speed", "", *MARKS, ""])).split(MARKS[0], 1)
    path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after.split(MARKS[1], 1)[1]}")


if __name__ == "__main__":
    main()
