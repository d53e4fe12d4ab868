"""Describe or compare results, as JSON.

    python check.py describe FEATURES EVENTS     rows, usage features and counted events of a matrix; events, and those before a cutoff
    python check.py compare FEATURES PEER        the usage feature that differs most, relative to max(1, |value|)
    python check.py equal FILE FILE              whether two files have the same bytes
"""
import filecmp
import json
import sys

import polars as pl

from matrix import EXCLUDED, WINDOWS, columns

COUNTED = f"_{WINDOWS[0]}d"


def describe(features: str, events: str) -> dict:
    names = pl.read_parquet_schema(features)
    counts = [name.removeprefix("count_").removesuffix(COUNTED) for name in names if name.startswith("count_") and name.endswith(COUNTED)]
    last = pl.scan_parquet(features).group_by("account_id").agg(pl.col("cutoff").max())
    log = pl.scan_parquet(events)
    seen = log.filter(pl.col("event") != EXCLUDED).join(last, on="account_id").filter(pl.col("timestamp") < pl.col("cutoff"))
    length = lambda frame: frame.select(pl.len()).collect(engine="streaming").item()
    return {"rows": length(pl.scan_parquet(features)), "columns": len(columns(counts)), "counts": counts, "events": length(log), "seen": length(seen)}


def compare(ours: str, theirs: str) -> dict:
    keys = ["account_id", "cutoff"]
    b = pl.read_parquet(theirs).sort(keys)
    # pql leaves out what is missing in all rows, such as velocities of young accounts.
    known = pl.read_parquet_schema(ours)
    absent = [name for name in b.columns if name not in known]
    if any(b[name].null_count() < len(b) for name in absent):
        return {"column": absent[0], "distance": 1e300}
    b = b.drop(absent)
    a = pl.read_parquet(ours, columns=b.columns).sort(keys)
    if not a.select(keys).equals(b.select(keys)):
        return {"column": "cutoff", "distance": 1e300}
    worst = {"column": "", "distance": 0.0}
    for name in b.columns[2:]:
        x, y = a[name].cast(pl.Float64), b[name].cast(pl.Float64)
        null = (x.is_null() != y.is_null()).any()
        distance = 1e300 if null else ((x - y).abs() / y.abs().clip(1.0)).max() or 0.0
        if distance > worst["distance"]:
            worst = {"column": name, "distance": distance}
    return worst


if __name__ == "__main__":
    does = {"describe": describe, "compare": compare, "equal": lambda a, b: {"equal": filecmp.cmp(a, b, shallow=False)}}
    print(json.dumps(does[sys.argv[1]](*sys.argv[2:])))
