"""Print the number of correct digits of other programs on the certified regressions in this folder.

    python peers.py

statsmodels GLM (binomial, IRLS) and Logit (Newton), at their default settings but for the number of iterations and a tolerance as low
as they accept, and scikit-learn's LogisticRegression (newton-cholesky, tol 1e-10, C = inf, or 1/alpha on columns standardized by
StandardScaler), each on the raw columns with a leading 1. `-log10` of the largest relative error among the raw coefficients with
the intercept, and among their standard errors; scikit-learn gives none, statsmodels none of a penalized fit.
Needs: pip install numpy statsmodels scikit-learn.
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
FAILED = "failed"


def digits(found, exact):
    exact = np.array([float(v) for v in exact])
    found = np.asarray(found, float)
    if not np.isfinite(found).all():
        return FAILED
    worst = np.max(np.abs((found - exact) / exact))
    return f"{max(0.0, 16.0 if worst == 0 else min(16.0, -np.log10(worst))):.1f}"


def by_statsmodels(model, case, fit):
    kind = {} if case["group"] is None else {"cov_type": "cluster", "cov_kwds": {"groups": np.array(case["group"])}}
    try:
        found = fit(model, kind)
    except Exception:
        return FAILED, FAILED
    return digits(found.params, case["coef_raw"]), digits(found.bse, case["std_error_raw"])


def by_sklearn(case, x, y):
    if case["alpha"] == 0:
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, y)
        return digits([model.intercept_[0], *model.coef_[0]], case["coef_raw"])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=1 / case["alpha"], solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(scaler.transform(x), y)
    raw = model.coef_[0] / scaler.scale_
    return digits([model.intercept_[0] - raw @ scaler.mean_, *raw], case["coef_raw"])


def main():
    warnings.simplefilter("ignore")
    print(f"statsmodels {statsmodels.__version__}, scikit-learn {sklearn.__version__}\n")
    print("| data | GLM coefficients | GLM standard errors | Logit coefficients | Logit standard errors | scikit-learn coefficients |")
    print("|---|---|---|---|---|---|")
    for path in sorted(HERE.glob("*.json")):
        case = json.loads(path.read_text())
        x, y = np.array(case["x"]).T, np.array(case["y"], float)
        design = np.column_stack([np.ones(len(y)), x])
        cells = ["", ""] * 2
        if case["alpha"] == 0:
            glm = sm.GLM(y, design, family=sm.families.Binomial())
            cells = [*by_statsmodels(glm, case, lambda m, kind: m.fit(tol=1e-10, maxiter=200, **kind)),
                     *by_statsmodels(sm.Logit(y, design), case, lambda m, kind: m.fit(disp=0, tol=1e-10, maxiter=200, **kind))]
        print(f"| {path.stem} | {' | '.join(cells)} | {by_sklearn(case, x, y)} |")


if __name__ == "__main__":
    main()
