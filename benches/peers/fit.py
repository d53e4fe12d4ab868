"""Fits of a dense matrix in scikit-learn and glum: the objective of pql at alpha 1, or a path of penalties over five folds.

    python fit.py FOLDER COLUMNS newton-cholesky|lbfgs|lbfgs-loose|glum
    python fit.py FOLDER COLUMNS path-newton-cholesky|path-lbfgs --alphas 100,10,1
    python fit.py FOLDER COLUMNS products

`products` times ZᵀZ, the work of one Hessian, by numpy's own library of linear algebra. Reading the matrix is not counted. Solvers are asked
for a gradient of 1e-10 per row, but glum for 1e-8, since it takes ten times as long for the next digits, and those of a path for 1e-4, their default.
"""
import argparse
import json
import os
import time

import numpy as np


def data(folder: str, columns: int):
    x = np.fromfile(os.path.join(folder, "x.f64"), dtype="<f8").reshape(-1, columns)
    return x, np.fromfile(os.path.join(folder, "y.u8"), dtype=np.uint8)


def fit(x, y, solver: str) -> dict:
    if solver == "glum":
        import glum
        model = glum.GeneralizedLinearRegressor(family="binomial", alpha=1 / len(y), l1_ratio=0, gradient_tol=1e-8)
    else:
        from sklearn.linear_model import LogisticRegression
        model = LogisticRegression(C=1.0, solver=solver.removesuffix("-loose"), tol=1e-6 if solver == "lbfgs-loose" else 1e-10, max_iter=1000)
    took = seconds(lambda: model.fit(x, y))
    coef, intercept = np.ravel(model.coef_), np.ravel(model.intercept_)[0]
    residual = 1 / (1 + np.exp(-(x @ coef + intercept))) - y
    gradient = max(np.abs(x.T @ residual + coef).max(), abs(residual.sum())) / len(y)
    return {"seconds": took, "gradient": float(gradient)}


def path(x, y, solver: str, alphas: list[float]) -> dict:
    """Returns the folds: every fifth row is held out, starting with the first, second, …"""
    from sklearn.linear_model import LogisticRegressionCV
    row = np.arange(len(y))
    folds = [(np.flatnonzero(row % 5 != k), np.flatnonzero(row % 5 == k)) for k in range(5)]
    model = LogisticRegressionCV(Cs=[1 / (0.8 * alpha) for alpha in alphas], cv=folds, scoring="neg_log_loss", solver=solver,
                                 l1_ratios=(0.0,), use_legacy_attributes=False, refit=False, n_jobs=-1)
    return {"seconds": seconds(lambda: model.fit(x, y))}


def products(x) -> dict:
    z = np.hstack([np.ones((len(x), 1)), x])
    square = np.ones((2048, 2048))
    fastest = lambda work: min(seconds(work) for _ in range(3))
    return {"seconds": fastest(lambda: z.T @ z), "flops": 2 * 2048**3 / fastest(lambda: square @ square)}


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("columns", type=int)
    parser.add_argument("what")
    parser.add_argument("--alphas", type=lambda text: [float(alpha) for alpha in text.split(",")])
    args = parser.parse_args()
    x, y = data(args.folder, args.columns)
    if args.what == "products":
        answer = products(x)
    else:
        answer = path(x, y, args.what.removeprefix("path-"), args.alphas) if args.alphas else fit(x, y, args.what)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
