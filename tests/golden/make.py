"""Make the numbers that golden.rs compares with.

    python make.py          # writes fit_*.json, calibration.json and metrics_*.json beside this file

Coefficients, standard errors and log-likelihood: Newton in 40-digit arithmetic (mpmath). Standard errors by account: the same
formula in 40 digits, and statsmodels' cluster. Metrics: scikit-learn, scipy and statsmodels.
Needs: pip install numpy scipy scikit-learn statsmodels mpmath.
"""
import json
import pathlib

import mpmath as mp
import numpy as np
import statsmodels.api as sm
from scipy.stats import norm
from sklearn import metrics as skm
from sklearn.isotonic import IsotonicRegression

mp.mp.dps = 40
HERE = pathlib.Path(__file__).parent


def draw(seed, n, p, accounts, base):
    """Standardised columns, outcomes and accounts that repeat."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, accounts, n)
    own = rng.normal(size=accounts)[group]
    x = rng.normal(size=(n, p)) + 0.4 * rng.normal(size=(n, 1)) + 0.5 * own[:, None] * (np.arange(p) == 0)
    x[:, p // 2] = np.log1p(rng.poisson(2, n))
    x = (x - x.mean(0)) / x.std(0)
    eta = base + x @ rng.normal(scale=0.5, size=p) + 0.5 * own
    y = rng.random(n) < 1 / (1 + np.exp(-eta))
    return x, y, group


def exact(x, y, group, alpha):
    """The minimum of sum of log losses + alpha/2 |coef|², its covariances and log-likelihood, in 40 digits."""
    n, p = x.shape
    k = p + 1
    z = [[mp.mpf(1)] + [mp.mpf(float(v)) for v in row] for row in x]
    beta = mp.matrix(k, 1)
    s = mp.diag([0] + [alpha] * p)
    for _ in range(60):
        gradient, a = s * beta, s.copy()
        for row, yi in zip(z, y):
            mu = 1 / (1 + mp.exp(-mp.fdot(row, beta)))
            w = mu * (1 - mu)
            for i in range(k):
                gradient[i] += (mu - int(yi)) * row[i]
                for j in range(i + 1):
                    a[i, j] += w * row[i] * row[j]
        for i in range(k):
            for j in range(i):
                a[j, i] = a[i, j]
        step = mp.lu_solve(a, gradient)
        beta -= step
        if max(abs(v) for v in step) < mp.mpf(10) ** -18:  # the next one is below 10⁻³⁴
            break
    else:
        raise RuntimeError("not converged")
    inverse = a ** -1
    u = {}
    loglik = mp.mpf(0)
    for row, yi, g in zip(z, y, group):
        eta = mp.fdot(row, beta)
        loglik += int(yi) * eta - mp.log(1 + mp.exp(eta))
        r = 1 / (1 + mp.exp(-eta)) - int(yi)
        u.setdefault(int(g), mp.matrix(k, 1))
        for i in range(k):
            u[int(g)][i] += r * row[i]
    b = mp.matrix(k, k)
    for v in u.values():
        b += v * v.T
    gs = mp.mpf(len(u))
    clustered = inverse * (b * (gs / (gs - 1) * mp.mpf(n - 1) / (n - k)) + s) * inverse
    diagonal = lambda m: [float(mp.sqrt(m[i, i])) for i in range(k)]
    return {"beta": [float(v) for v in beta], "std_error": diagonal(inverse), "std_error_grouped": diagonal(clustered),
            "log_likelihood": float(loglik)}


def fit_case(name, seed, n, p, accounts, base, alpha):
    x, y, group = draw(seed, n, p, accounts, base)
    out = {"alpha": alpha, "x": x.tolist(), "y": y.tolist(), "group": group.tolist()} | exact(x, y, group, alpha)
    if alpha == 0:
        model = sm.Logit(y.astype(float), sm.add_constant(x))
        fit = model.fit(disp=0, method="newton", tol=1e-14, cov_type="cluster", cov_kwds={"groups": group})
        out["std_error_statsmodels"] = fit.bse.tolist()
        plain = model.fit(disp=0, method="newton", tol=1e-14)
        out["z"], out["p"] = plain.tvalues.tolist(), plain.pvalues.tolist()
        c = np.linalg.inv(np.corrcoef(x.T)) if p > 1 else np.eye(1)
        out["vif"] = np.diag(c).tolist()
    (HERE / f"fit_{name}.json").write_text(json.dumps(out) + "\n")


def calibration_case(seed, n, accounts):
    """A line in the log-odds by statsmodels, blocks by scikit-learn; log-odds with ties, far from 0."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, accounts, n)
    eta = np.round(-6 + 1.5 * rng.normal(size=n) + 0.5 * rng.normal(size=accounts)[group], 1)
    y = rng.random(n) < 1 / (1 + np.exp(-(4 + 0.7 * eta)))
    model = sm.Logit(y.astype(float), sm.add_constant(eta))
    plain = model.fit(disp=0, method="newton", tol=1e-14)
    grouped = model.fit(disp=0, method="newton", tol=1e-14, cov_type="cluster", cov_kwds={"groups": group})
    steps = IsotonicRegression().fit_transform(eta, y.astype(float))
    case = {"eta": eta.tolist(), "y": y.tolist(), "group": group.tolist(), "line": plain.params.tolist(),
            "covariance": plain.cov_params().ravel().tolist(), "covariance_grouped": grouped.cov_params().ravel().tolist(),
            "steps": steps.tolist()}
    (HERE / "calibration.json").write_text(json.dumps(case) + "\n")


def shared(y, p):
    """Each row's outcome replaced by the mean outcome of the rows of its probability."""
    return np.array([y[p == v].mean() for v in p])


def auc_error(y, p, group):
    """Placement values by brute force over pairs, then Obuchowski's variance by account."""
    pairs = (p[y][:, None] > p[~y][None, :]) + 0.5 * (p[y][:, None] == p[~y][None, :])
    auc = pairs.mean()
    up, un = pairs.mean(1) - auc, pairs.mean(0) - auc
    names = np.unique(group)
    s = np.array([up[group[y] == g].sum() for g in names])
    t = np.array([un[group[~y] == g].sum() for g in names])
    kp, kn, k = len(set(group[y])), len(set(group[~y])), len(names)
    m, n = y.sum(), (~y).sum()
    return np.sqrt(kp / (kp - 1) * (s**2).sum() / m**2 + kn / (kn - 1) * (t**2).sum() / n**2 + 2 * k / (k - 1) * (s * t).sum() / (m * n))


def metrics_case(name, seed, n, accounts, digits, base):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, accounts, n) * 3 if accounts else np.arange(n)
    eta = base + 1.3 * rng.normal(size=n)
    p = np.clip(np.round(1 / (1 + np.exp(-eta)), digits), 1e-4, 1 - 1e-4)
    y = rng.random(n) < 1 / (1 + np.exp(-(0.8 * eta - 0.2)))
    auc, se = skm.roc_auc_score(y, p), auc_error(y, p, group)
    losses = -np.where(y, np.log(p), np.log(1 - p))
    sums = np.array([(losses[group == g] - losses.mean()).sum() for g in np.unique(group)])
    lin = np.log(p) - np.log1p(-p)
    line = sm.Logit(y.astype(float), sm.add_constant(lin)).fit(disp=0, method="newton", tol=1e-14).params
    large = sm.GLM(y.astype(float), np.ones(n), family=sm.families.Binomial(), offset=lin).fit(tol=1e-15, maxiter=100).params[0]
    mean, rank = shared(y, p), np.argsort(p, kind="stable")
    half = norm.ppf(0.975) * se
    out = {"n": n, "base_rate": y.mean(), "roc_auc": auc, "roc_auc_se": se, "roc_auc_95": [max(0, auc - half), min(1, auc + half)],
           "average_precision": skm.average_precision_score(y, p), "log_loss": skm.log_loss(y, p),
           "log_loss_se": np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / n, "brier": skm.brier_score_loss(y, p),
           "calibration_in_the_large": large, "calibration_slope": line[1], "calibration_intercept": line[0],
           "ece_10_equal_mass": sum(abs((p[b] - mean[b]).sum()) for b in np.array_split(rank, 10)) / n,
           "expected_conversions": p.sum(), "conversions": int(y.sum())}
    for percent in (1, 5, 10, 20):
        top = rank[::-1][: -(-n * percent // 100)]
        out |= {f"precision_top_{percent}pct": mean[top].mean(), f"recall_top_{percent}pct": mean[top].sum() / y.sum(),
                f"lift_top_{percent}pct": mean[top].mean() / y.mean()}
    out = {k: v.tolist() if hasattr(v, "tolist") else [float(w) for w in v] if isinstance(v, list) else v for k, v in out.items()}
    case = {"y": y.tolist(), "probability": p.tolist(), "group": group.tolist(), "expected": out}
    (HERE / f"metrics_{name}.json").write_text(json.dumps(case) + "\n")


if __name__ == "__main__":
    fit_case("ml", 1, 300, 5, 90, -0.5, 0)
    fit_case("l2", 2, 300, 5, 90, -1.5, 2.5)
    fit_case("rare", 3, 500, 3, 200, -3.2, 0)
    calibration_case(6, 400, 120)
    metrics_case("rows", 4, 403, 0, 12, -1.0)
    metrics_case("ties", 5, 357, 60, 2, -1.5)
