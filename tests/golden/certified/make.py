"""Create the certified logistic regressions in this folder: data, and results in 60-digit arithmetic.

    python make.py [NAME ...]

Each NAME.json holds raw columns, outcomes, groups and alpha, and as text with 25 digits: coefficients and standard errors, intercept
first, per standard deviation (columns with mean 0 and standard deviation 1, divisor n, to which alpha refers) and per raw unit, and
the log-likelihood. Numbers of the columns are written so that they read back exactly. Standard errors: sqrt of the diagonal of
A^-1 (B + alpha S) A^-1, A = Z'WZ + alpha S, S the identity with 0 for the intercept; B = Z'WZ where no group repeats, else the sum of
u u' over groups, u the summed gradient, times G/(G-1) (n-1)/(n-k).

Finney, "The estimation from individual records of the relationship between dose and quantal response", Biometrika 34 (1947).
Spector, Mazzeo, "Probit analysis and economic education", J. Econ. Educ. 11 (1980).
Dalal, Fowlkes, Hoadley, "Risk analysis of the space shuttle", J. Am. Stat. Assoc. 84 (1989).
Bliss, "The calculation of the dosage-mortality curve", Ann. Appl. Biol. 22 (1935).
Needs: pip install numpy mpmath.
"""
import json
import pathlib
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60
HERE = pathlib.Path(__file__).parent
DIGITS = 25


def standardized(columns):
    """Mean and standard deviation (divisor n) of each column, and the columns by rows with a leading 1."""
    scaled, scale = [], []
    for column in columns:
        exact = [mp.mpf(v) for v in column]
        mean = mp.fsum(exact) / len(exact)
        sd = mp.sqrt(mp.fsum((v - mean) ** 2 for v in exact) / len(exact))
        scaled.append([(v - mean) / sd for v in exact])
        scale.append((mean, sd))
    return [[mp.mpf(1), *row] for row in zip(*scaled)], scale


def derivatives(z, y, beta, alpha):
    """Gradient, Z'WZ, residuals and log-likelihood."""
    k = len(z[0])
    gradient, information = [mp.mpf(0)] * k, mp.matrix(k, k)
    residuals, loglik = [], mp.mpf(0)
    for row, yi in zip(z, y):
        eta = mp.fdot(row, beta)
        mu = 1 / (1 + mp.exp(-eta))
        loglik += mp.log(mu if yi else 1 - mu)
        weight = mu * (1 - mu)
        residuals.append(mu - yi)
        for i in range(k):
            gradient[i] += (mu - yi) * row[i]
            for j in range(i + 1):
                information[i, j] += weight * row[i] * row[j]
    for i in range(k):
        gradient[i] += alpha * beta[i] if i else 0
        for j in range(i):
            information[j, i] = information[i, j]
    return gradient, information, residuals, loglik


def solve(z, y, alpha):
    k = len(z[0])
    s = mp.diag([0] + [mp.mpf(alpha)] * (k - 1))
    share = mp.mpf(sum(y)) / len(y)
    beta = [mp.log(share / (1 - share))] + [mp.mpf(0)] * (k - 1)
    for _ in range(100):
        gradient, information, residuals, loglik = derivatives(z, y, beta, alpha)
        hessian = information + s
        if max(abs(g) for g in gradient) < mp.mpf(10) ** -45:
            return beta, hessian ** -1, information, s, residuals, loglik
        step = mp.lu_solve(hessian, mp.matrix(gradient))
        beta = [b - d for b, d in zip(beta, step)]
    raise RuntimeError("not converged")


def between(z, residuals, group):
    k, n = len(z[0]), len(z)
    sums = {}
    for row, r, g in zip(z, residuals, group):
        u = sums.setdefault(g, [mp.mpf(0)] * k)
        for i in range(k):
            u[i] += r * row[i]
    b = mp.matrix(k, k)
    for u in sums.values():
        for i in range(k):
            for j in range(k):
                b[i, j] += u[i] * u[j]
    g = mp.mpf(len(sums))
    return b * (g / (g - 1) * mp.mpf(n - 1) / (n - k))


def certify(name, columns, y, group=None, alpha=0.0):
    names, columns = list(columns), [[float(v) for v in column] for column in columns.values()]
    y = [int(v) for v in y]
    z, scale = standardized(columns)
    beta, inverse, information, s, residuals, loglik = solve(z, y, alpha)
    inner = information if group is None else between(z, residuals, group)
    covariance = inverse * (inner + s) * inverse
    k = len(beta)
    weights = mp.matrix([1] + [-mean / sd for mean, sd in scale])
    raw_variance = (weights.T * covariance * weights)[0]
    std_error = [mp.sqrt(covariance[i, i]) for i in range(k)]
    answers = {
        "coef": beta, "std_error": std_error,
        "coef_raw": [mp.fdot(weights, beta)] + [b / sd for b, (_, sd) in zip(beta[1:], scale)],
        "std_error_raw": [mp.sqrt(raw_variance)] + [e / sd for e, (_, sd) in zip(std_error[1:], scale)],
        "log_likelihood": [loglik],
    }
    correlation = mp.matrix(k - 1, k - 1)
    for row in z:
        for i in range(k - 1):
            for j in range(k - 1):
                correlation[i, j] += row[i + 1] * row[j + 1] / len(z)
    vif = max(float((correlation ** -1)[i, i]) for i in range(k - 1))
    text = lambda v: mp.nstr(v, DIGITS, min_fixed=0, max_fixed=0)
    case = {"names": names, "x": columns, "y": y, "group": None if group is None else [int(g) for g in group], "alpha": alpha}
    case |= {key: [text(v) for v in values] for key, values in answers.items()} | {"largest_vif": round(vif, 1)}
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items())
    (HERE / f"{name}.json").write_text("{\n" + lines + "\n}\n")
    print(f"{name}: {len(y)} rows, {k - 1} columns, {sum(y)} positive, VIF {vif:.3g}, coef {[float(b) for b in answers['coef_raw']][:4]}")


def numbers(text):
    return [float(v) for v in text.split()]


def finney():
    volume = numbers("3.7 3.5 1.25 0.75 0.8 0.7 0.6 1.1 0.9 0.9 0.8 0.55 0.6 1.4 0.75 2.3 3.2 0.85 1.7 1.8 0.4 0.95 1.35 1.5 1.6 0.6 1.8 "
                     "0.95 1.9 1.6 2.7 2.35 1.1 1.1 1.2 0.8 0.95 0.75 1.3")
    rate = numbers("0.825 1.09 2.5 1.5 3.2 3.5 0.75 1.7 0.75 0.45 0.57 2.75 3.0 2.33 3.75 1.64 1.6 1.415 1.06 1.8 2.0 1.36 1.35 1.36 "
                   "1.78 1.5 1.5 1.9 0.95 0.4 0.75 0.03 1.83 2.2 2.0 3.33 1.9 1.9 1.625")
    y = numbers("1 1 1 1 1 1 0 0 0 0 0 0 0 1 1 1 1 1 0 1 0 0 0 0 1 0 1 0 1 0 1 0 0 1 1 1 0 0 1")
    return {"log_volume": np.log(volume), "log_rate": np.log(rate)}, y


def spector():
    gpa = numbers("2.66 2.89 3.28 2.92 4.00 2.86 2.76 2.87 3.03 3.92 2.63 3.32 3.57 3.26 3.53 2.74 2.75 2.83 3.12 3.16 2.06 3.62 2.89 "
                  "3.51 3.54 2.83 3.39 2.67 3.65 4.00 3.10 2.39")
    tuce = numbers("20 22 24 12 21 17 17 21 25 29 20 23 23 25 26 19 25 19 23 25 22 28 14 26 24 27 17 24 21 23 21 19")
    psi = [0.0] * 18 + [1.0] * 14
    y = numbers("0 0 0 0 1 0 0 0 0 1 0 0 0 1 0 0 0 0 0 1 0 1 0 0 1 1 1 0 1 1 0 1")
    return {"gpa": gpa, "tuce": tuce, "psi": psi}, y


def challenger():
    temperature = numbers("66 70 69 68 67 72 73 70 57 63 70 78 67 53 67 75 70 81 76 79 75 76 58")
    return {"temperature": temperature}, numbers("0 1 0 0 0 0 0 0 1 1 1 0 0 1 0 0 0 0 0 0 1 0 1")


def beetles():
    dose = numbers("1.6907 1.7242 1.7552 1.7842 1.8113 1.8369 1.8610 1.8839")
    exposed, killed = [59, 60, 62, 56, 63, 59, 62, 60], [6, 13, 18, 28, 52, 53, 61, 60]
    rows = [(d, int(i < dead)) for d, n, dead in zip(dose, exposed, killed) for i in range(n)]
    return {"log_dose": [d for d, _ in rows]}, [y for _, y in rows]


def drawn(seed, n, p, base=-0.5, near=None, accounts=None, size=0.5):
    """Weakly correlated columns; `near`: the last column is the first one plus this share of itself."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 0.4 * rng.normal(size=(n, 1)) + 0.3
    x[:, p // 2] = rng.poisson(2, n)
    if near is not None:
        x[:, -1] = x[:, 0] + near * x[:, -1]
    group = None if accounts is None else np.repeat(np.arange(accounts), n // accounts)
    own = 0 if accounts is None else 0.7 * rng.normal(size=accounts)[group]
    z = (x - x.mean(0)) / x.std(0)
    y = rng.random(n) < 1 / (1 + np.exp(-(base + z @ rng.normal(scale=size, size=p) + own)))
    return x, y, group


def named(x):
    return {f"x{j + 1}": x[:, j] for j in range(x.shape[1])}


def generated():
    x, y, _ = drawn(1, 25, 2)
    yield "small", named(x), y, None, 0.0
    x, y, _ = drawn(2, 300, 6)
    yield "medium", named(x), y, None, 0.0
    yield "scaled_up", named(x * np.array([1e6, 1, 1, 1e6, 1, 1])), y, None, 0.0
    yield "scaled_down", named(x * np.array([1e-6, 1, 1e-6, 1, 1, 1])), y, None, 0.0
    yield "scaled_both", named(x * np.array([1e6, 1e-6, 1, 1, 1e3, 1e-3])), y, None, 0.0
    yield "shifted", named(x + np.array([1e6, 0, 0, 0, 0, 0])), y, None, 0.0
    yield "shifted_all", named(x + 1e6), y, None, 0.0
    yield "shifted_l2", named(x + np.array([0, 1e6, 0, -1e6, 0, 1e3])), y, None, 3.7
    yield "penalized", named(x), y, None, 2.5
    yield "penalized_much", named(x), y, None, 120.0
    for name, near in [("collinear_1e3", 4e-2), ("collinear_1e4", 1.2e-2), ("collinear_1e5", 4e-3), ("collinear_1e6", 1.2e-3)]:
        x, y, _ = drawn(3, 300, 5, near=near)
        yield name, named(x), y, None, 0.0
    yield "collinear_penalized", named(x), y, None, 1e-4
    x, y, _ = drawn(4, 900, 3, base=-4.2)
    yield "rare", named(x), y, None, 0.0
    x, y, group = drawn(5, 400, 4, base=-1.0, accounts=100)
    yield "accounts", named(x), y, group, 0.0
    yield "accounts_penalized", named(x), y, group, 6.0
    x, y, group = drawn(6, 400, 4, accounts=100, near=1.2e-3)
    yield "accounts_collinear", named(x), y, group, 0.0
    rng = np.random.default_rng(7)
    level = rng.choice(5, size=500, p=[0.5, 0.3, 0.15, 0.03, 0.02])
    x = np.column_stack([(level == j).astype(float) for j in range(1, 5)] + [rng.lognormal(3, 1.5, 500)])
    y = rng.random(500) < 1 / (1 + np.exp(-(-1 + 0.5 * (level == 1) - 0.4 * (level == 3) + 0.01 * np.minimum(x[:, 4], 200))))
    yield "dummies", named(x), y, None, 0.0
    x, y, _ = drawn(8, 600, 10, size=0.3)
    yield "wide", named(x), y, None, 0.0


def main():
    wanted = sys.argv[1:]
    published = [(f.__name__, *f(), None, 0.0) for f in (finney, spector, challenger, beetles)]
    for name, columns, y, group, alpha in [*published, *generated()]:
        if not wanted or name in wanted:
            certify(name, columns, y, group, alpha)


if __name__ == "__main__":
    main()
