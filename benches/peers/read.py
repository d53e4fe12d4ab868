"""Read the columns with Polars: the minimum that any program has to do.

    python read.py columns EVENTS           the four columns of a log
    python read.py whole MATRIX OUT         a matrix whole, and one column of it written
"""
import sys
import time

import polars as pl

start = time.perf_counter()
if sys.argv[1] == "columns":
    pl.read_parquet(sys.argv[2], columns=["account_id", "user_id", "event", "timestamp"])
else:
    pl.read_parquet(sys.argv[2]).select("f00").write_parquet(sys.argv[3])
print(f'{{"seconds": {time.perf_counter() - start}}}')
