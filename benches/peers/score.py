"""Score a matrix in scikit-learn: median for nulls, standardized, probabilities only, in place if possible.

    python score.py TRAIN MATRIX OUT

The fit on TRAIN is not counted.
"""
import sys

import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matrix import timed


def columns(path: str) -> pl.DataFrame:
    return pl.read_parquet(path, columns=[name for name in pl.read_parquet_schema(path) if name.startswith("f")])


def main() -> None:
    _, train, matrix, out = sys.argv
    pipeline = make_pipeline(SimpleImputer(strategy="median", copy=False), StandardScaler(copy=False), LogisticRegression())
    pipeline.fit(columns(train).to_numpy(writable=True), pl.read_parquet(train, columns=["converted"])["converted"].to_numpy())

    def score() -> None:
        probability = pipeline.predict_proba(columns(matrix).to_numpy(writable=True))[:, 1]
        pl.DataFrame({"probability": probability}).write_parquet(out)

    timed(score)


if __name__ == "__main__":
    main()
