"""Compare the output of `pql features` with the reference SQL at the same cutoffs, and print the worst column.

    python compare.py REFERENCE EVENTS ACCOUNTS FEATURES [--attributes a,b] [--logins login] …

REFERENCE         features.py
EVENTS, ACCOUNTS  what `pql ingest` wrote
FEATURES          what `pql features` wrote, Parquet

Windows, counted events and sums are those of the columns of FEATURES; other flags go to the reference as they are.
The reference has velocities and trends of all accounts. In pql they are missing for accounts younger than the days that
they compare, and absent if almost all accounts are (docs/reference/features.md).
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


def change(column: str) -> int | None:
    """Returns the number of days that a velocity or trend compares; None for another column."""
    found = re.fullmatch(r".*_(velocity|trend)_(\d+)d", column)
    return found and int(found[2]) * (2 if found[1] == "velocity" else 1)


def names(path: str) -> list[str]:
    return [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]


def compare(features: str, reference: str, columns: list[str]) -> int:
    without = sorted(c for c in set(columns) ^ set(names(reference)) if c not in KEYS and not change(c))
    if without:
        print("columns without a partner:", ", ".join(without))
        return 1
    quoted = ['"' + c.replace('"', '""') + '"' for c in columns]
    expected = {c: f"b.{quoted_name}" for c, quoted_name in zip(columns, quoted)}
    for c in filter(change, columns):
        # A local day may have 23 hours.
        expected[c] = f"(CASE WHEN a.tenure_days >= {change(c)} - 1.0 / 24 - 1e-9 THEN {expected[c]} END)"
    # 1e300 marks a null compared with a number.
    apart = ", ".join(f"max(CASE WHEN a.{c} IS NULL AND {b} IS NULL THEN 0 ELSE coalesce(abs(a.{c} - {b}) / greatest(1, abs({b})), 1e300) END)"
                      for c, b in zip(quoted, expected.values()))
    join = f"FROM '{features}' a FULL JOIN '{reference}' b USING (account_id, cutoff)"
    rows, alone, *worst = duckdb.sql(f"SELECT count(*), count(*) FILTER (WHERE a.tenure_days IS NULL OR b.tenure_days IS NULL), {apart} {join}").fetchall()[0]
    distance, column = max(zip((d if d == d else float("inf") for d in worst), columns))
    print(f"{rows} rows, {len(columns)} columns, {alone} rows without a partner; worst: {column}, {distance:.1e}")
    if distance > TOLERANCE:
        c, b = quoted[columns.index(column)], expected[column]
        print(duckdb.sql(f"SELECT account_id, cutoff, a.{c} AS pql, {b} AS reference {join} "
                         f"ORDER BY (a.{c} IS NULL) <> ({b} IS NULL) DESC, abs(a.{c} - {b}) DESC LIMIT 5"))
    return int(alone > 0 or rows == 0 or distance > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
