"""Create the input files, with a fixed seed.

    python make.py accounts IN OUT         the account list without conversions and churns, so that no event is out of sight at the end
    python make.py sorted IN OUT           the events in order of time
    python make.py names IN OUT            the log without invoices, with three names for each event name by turns
    python make.py dense FOLDER ROWS       x.f64 and y.u8: a standardized design of 40 columns, by rows, and its outcomes
    python make.py matrix FOLDER ROWS      matrix.parquet: 40 columns as they come, skewed and with nulls; train.parquet: its first 200,000 rows
    python make.py empty IN OUT            a Parquet file without its rows
"""
import os
import sys

import numpy as np
import polars as pl

COLUMNS = 40
SEED = 1
ROW_GROUP = 200_000


def accounts(source: str, out: str) -> None:
    never = pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    pl.read_parquet(source).with_columns(converted_at=never, churned_at=never).write_parquet(out)


def names(source: str, out: str) -> None:
    turn = pl.concat_str([pl.col("event"), (pl.int_range(pl.len()) % 3).cast(pl.String)], separator="_")
    log = pl.read_parquet(source).filter(pl.col("event") != "invoice_paid")
    log.with_columns(event=turn).write_parquet(out, row_group_size=ROW_GROUP)


def sorted_by_time(source: str, out: str) -> None:
    pl.scan_parquet(source).sort("timestamp", maintain_order=True).sink_parquet(out, row_group_size=ROW_GROUP)


def dense(folder: str, rows: str) -> None:
    random = np.random.default_rng(SEED)
    x = random.standard_normal((int(rows), COLUMNS))
    x += np.sqrt(0.5) * random.standard_normal((int(rows), 1))
    x -= x.mean(axis=0)
    x /= x.std(axis=0)
    x.astype("<f8").tofile(os.path.join(folder, "x.f64"))
    outcomes(random, x).astype(np.uint8).tofile(os.path.join(folder, "y.u8"))


def outcomes(random: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Draws outcomes from a logistic model; about one in six is positive."""
    eta = x @ (random.standard_normal(x.shape[1]) / 6) - 2
    return random.random(len(x)) < 1 / (1 + np.exp(-eta))


def matrix(folder: str, rows: str) -> None:
    """Draws a matrix: half of the columns are counts, half are numbers; each has up to 10% nulls."""
    random, parts = np.random.default_rng(SEED), []
    weights = random.standard_normal(COLUMNS) / 6
    path = os.path.join(folder, "matrix.parquet")
    for first in range(0, int(rows), ROW_GROUP):
        n = min(ROW_GROUP, int(rows) - first)
        z = random.standard_normal((n, COLUMNS))
        converted = random.random(n) < 1 / (1 + np.exp(2 - z @ weights))
        values = np.where(np.arange(COLUMNS) % 2 == 0, np.floor(np.exp(1 + z)), 10 + 3 * z)
        null = random.random((n, COLUMNS)) < np.linspace(0, 0.1, COLUMNS)
        columns = {f"f{j:02}": pl.Series(values[:, j]).set(pl.Series(null[:, j]), None) for j in range(COLUMNS)}
        ids = pl.Series([f"a{i:08}" for i in range(first, first + n)])
        part = pl.DataFrame({"account_id": ids, "converted": converted.astype(np.int8), **columns})
        part.write_parquet(os.path.join(folder, f"part{first:09}.parquet"))
        parts.append(os.path.join(folder, f"part{first:09}.parquet"))
    frame = pl.scan_parquet(parts)
    frame.sink_parquet(path, row_group_size=ROW_GROUP)
    frame.head(ROW_GROUP).sink_parquet(os.path.join(folder, "train.parquet"))
    for part in parts:
        os.remove(part)


def empty(source: str, out: str) -> None:
    pl.scan_parquet(source).head(0).sink_parquet(out)


if __name__ == "__main__":
    {"accounts": accounts, "names": names, "sorted": sorted_by_time, "dense": dense, "matrix": matrix, "empty": empty}[sys.argv[1]](*sys.argv[2:])
