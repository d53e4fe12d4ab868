"""Try terms that pql's design columns do not have: steps and hinges, products, both. Prints Markdown for docs/benchmarks/comparison.md.

    python shapes.py PQL DATA [--only SET,…] [--knots 3] [--top 10] [--work DIR]

The columns are pql's own, from the preprocessor in the model card; alpha is chosen for each design by cross-validation
grouped by account, over half decades, as in peers.py, without calibration.

* step and hinges: for each treated value v with more than two values, 1[v > min] where 2 to 98 % of the training rows are
  above, and max(v − knot, 0) at the quantiles i/(K+1) of v that lie between its minimum and maximum.
* products: all pairs of the heaviest columns of the linear fit, by |coefficient| per standard deviation.
"""
import argparse
import os
import sys
import tempfile

import numpy as np
import polars as pl

from peers import FOLDS, MANY, SETS, apart, design, judged, load, loss, ridge, sigmoid


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pql")
    parser.add_argument("data")
    parser.add_argument("--only", default=",".join(name for name in SETS if name != "ravenstack"))
    parser.add_argument("--knots", type=int, default=3)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--work")
    args = parser.parse_args()
    args.set = []
    print("| set | pql's design | + step and hinges | + products | + both |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        args.work = os.path.abspath(args.work or folder)
        os.makedirs(args.work, exist_ok=True)
        for name in args.only.split(","):
            print(line(name, args), flush=True)
    return 0


def line(name: str, args) -> str:
    train, test, run = load(name, SETS[name], args)
    preprocessor = run(["model.alpha=1"])[1]["preprocessor"]
    x, z = design(preprocessor, train.x), design(preprocessor, test.x)
    linear, beta, text = fit(name, x, z, train, test)
    cells = [text]
    hinged = hinges(preprocessor, train.x, test.x, args.knots)
    top = np.argsort(-np.abs(beta[1:]))[:args.top]
    pairs = [(i, j) for at, i in enumerate(top) for j in top[at + 1:]]
    product = [np.column_stack([a[:, i] * a[:, j] for i, j in pairs]) for a in (x, z)]
    for more in ([hinged], [product], [hinged, product]):
        a, b = standard(np.hstack([m[0] for m in more]), np.hstack([m[1] for m in more]))
        p, _, text = fit(name, np.hstack([x, a]), np.hstack([z, b]), train, test)
        d = apart(test, p, linear)
        cells.append(f"{text} ({d['loss']:+.4f} ± {d['loss_se']:.4f}, {d['auc']:+.3f} ± {d['auc_se']:.3f})")
    return f"| {name} | {' | '.join(cells)} |"


def hinges(preprocessor: dict, train: pl.DataFrame, test: pl.DataFrame, count: int):
    columns = []
    for encoder in preprocessor["features"]:
        encoding = encoder["encoding"].get("Numeric")
        if not encoding or not encoding["value"]:
            continue
        only = dict(features=[{**encoder, "encoding": {"Numeric": {**encoding, "missing": None, "value": {"mean": 0.0, "sd": 1.0}}}}])
        v, w = design(only, train)[:, 0], design(only, test)[:, 0]
        if len(np.unique(v)) <= 2:
            continue
        if 0.02 <= (v > v.min()).mean() <= 0.98:
            columns.append(((v > v.min()).astype(float), (w > v.min()).astype(float)))
        for knot in np.unique(np.quantile(v, np.arange(1, count + 1) / (count + 1))):
            if v.min() < knot < v.max():
                columns.append((np.maximum(v - knot, 0), np.maximum(w - knot, 0)))
    return [np.column_stack(side) if columns else np.zeros((len(frame), 0)) for side, frame in zip(zip(*columns), (train, test))]


def standard(a: np.ndarray, b: np.ndarray):
    mean, sd = a.mean(0), a.std(0)
    keep = sd > 1e-9
    return ((a - mean) / np.where(keep, sd, 1))[:, keep], ((b - mean) / np.where(keep, sd, 1))[:, keep]


def fit(name: str, x: np.ndarray, z: np.ndarray, train, test):
    """Probabilities of the test rows, coefficients, and log loss and AUC as text."""
    y = train.y
    grid = np.geomspace(1e-3, 1e2, 11) * len(y) * y.mean() * (1 - y.mean())
    losses, seen = np.zeros(len(grid)), 0
    for rows, held in train.folds()[:2 if len(y) > MANY else FOLDS]:
        beta, seen = None, seen + len(held)
        for at in range(len(grid))[::-1]:
            beta = ridge(x[rows], y[rows], grid[at] * len(rows) / len(y), beta)
            losses[at] += loss(y[held], beta[0] + x[held] @ beta[1:]).sum()
    best = int(losses.argmin())
    beta = ridge(x, y, grid[best], None)
    p = sigmoid(beta[0] + z @ beta[1:])
    score = judged(test, p)
    print(f"{name}: {x.shape[1]} columns, alpha {grid[best]:.3g}, cross-validated {losses[best] / seen:.5f}", file=sys.stderr)
    return p, beta, f"{score['loss']:.4f}, {score['auc']:.3f}"


if __name__ == "__main__":
    sys.exit(main())
