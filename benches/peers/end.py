"""From events to a model and scores with DuckDB and scikit-learn.

    python end.py EVENTS ACCOUNTS OBSERVATIONS FOLDER --counts login,search_used

OBSERVATIONS holds account_id, cutoff, converted and split: rows with the split `train` or
`cross-validated` are learned from, rows without outcome are scored. The features of both come from one query. Nulls become medians, counts their logarithms; the penalty is chosen among 20 over 5 folds.
"""
import os
import time

import duckdb
import numpy as np
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import features_duckdb
from matrix import arguments, columns, timed


def main(args) -> dict:
    start, folder = time.perf_counter(), args.out
    args.out, args.direct = os.path.join(folder, "features.parquet"), False
    duckdb.connect().execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; " + features_duckdb.query(args))
    features = time.perf_counter() - start
    rows = pl.read_parquet(args.observations, columns=["account_id", "cutoff", "converted", "split"])
    table = rows.join(pl.read_parquet(args.out), on=["account_id", "cutoff"])
    train, batch = table.filter(pl.col("split").is_in(["train", "cross-validated"])), table.filter(pl.col("converted").is_null())
    names = columns(args.counts)
    x = lambda frame: frame.select(names).to_numpy()
    log = FunctionTransformer(lambda values: np.sign(values) * np.log1p(np.abs(values)))
    search = LogisticRegressionCV(Cs=np.geomspace(1e-4, 1e2, 20), cv=5, scoring="neg_log_loss", solver="newton-cholesky", l1_ratios=(0.0,),
                                  use_legacy_attributes=False, n_jobs=-1)
    model = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), log, StandardScaler(), search)
    model.fit(x(train), train["converted"].to_numpy())
    probability = model.predict_proba(x(batch))[:, 1]
    batch.select("account_id", "cutoff").with_columns(probability=pl.Series(probability)).write_parquet(os.path.join(folder, "scores.parquet"))
    return {"features": features, "train": train.height, "scored": batch.height}


if __name__ == "__main__":
    given = arguments()
    timed(lambda: main(given))
