"""Compare the output of `pql features` with the reference SQL at the same cutoffs, and print the worst column.

    python compare.py REFERENCE EVENTS ACCOUNTS FEATURES [--attributes a,b] [--logins login] …

REFERENCE         features.py
EVENTS, ACCOUNTS  what `pql ingest` wrote
FEATURES          what `pql features` wrote, Parquet

Windows, counted events and sums are those of the columns of FEATURES; other flags go to the reference as they are.
Ends with 1 where a number differs by more than 1e-9 relative to max(1, |value|), a null stands against a number, or
a column or row has no partner. Needs duckdb.
"""
import os
import re
import subprocess
import sys
import tempfile

import duckdb

TOLERANCE = 1e-9
KEYS = ["account_id", "cutoff", "outcome", "converted", "split"]


def main() -> int:
    reference, events, accounts, features, *flags = sys.argv[1:]
    attributes = []
    if "--attributes" in flags:
        at = flags.index("--attributes")
        attributes = flags[at + 1].split(",")
        del flags[at:at + 2]
    columns = [c for c in names(features) if c not in KEYS + attributes]
    windows = sorted({int(m[1]) for c in columns if (m := re.fullmatch(r"events_(\d+)d", c))})
    of = lambda prefix: [m[1] for c in columns if (m := re.fullmatch(rf"{prefix}_(.*)_{windows[0]}d", c))]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "reference.parquet")
        command = [sys.executable, reference, events, accounts, out, "--observations", features, "--threads", "2"]
        command += ["--windows", ",".join(f"{w}d" for w in windows), "--counts", ",".join(of("count")), "--sums", ",".join(of("sum"))]
        subprocess.run(command + flags, check=True, stdout=subprocess.DEVNULL)
        return compare(features, out, columns)


def names(path: str) -> list[str]:
    return [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]


def compare(features: str, reference: str, columns: list[str]) -> int:
    without = sorted(set(columns) ^ set(c for c in names(reference) if c not in KEYS))
    if without:
        print("columns without a partner:", ", ".join(without))
        return 1
    quoted = ['"' + c.replace('"', '""') + '"' for c in columns]
    # 1e300 marks a null compared with a number.
    apart = ", ".join(f"max(CASE WHEN a.{c} IS NULL AND b.{c} IS NULL THEN 0 ELSE coalesce(abs(a.{c} - b.{c}) / greatest(1, abs(b.{c})), 1e300) END)"
                      for c in quoted)
    join = f"FROM '{features}' a FULL JOIN '{reference}' b USING (account_id, cutoff)"
    rows, alone, *worst = duckdb.sql(f"SELECT count(*), count(*) FILTER (WHERE a.tenure_days IS NULL OR b.tenure_days IS NULL), {apart} {join}").fetchall()[0]
    distance, column = max(zip((d if d == d else float("inf") for d in worst), columns))
    print(f"{rows} rows, {len(columns)} columns, {alone} rows without a partner; worst: {column}, {distance:.1e}")
    if distance > TOLERANCE:
        c = quoted[columns.index(column)]
        print(duckdb.sql(f"SELECT account_id, cutoff, a.{c} AS pql, b.{c} AS reference {join} "
                         f"ORDER BY (a.{c} IS NULL) <> (b.{c} IS NULL) DESC, abs(a.{c} - b.{c}) DESC LIMIT 5"))
    return int(alone > 0 or rows == 0 or distance > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
