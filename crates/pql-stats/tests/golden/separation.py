"""Create separation.json: small tables of whole numbers, and their separation according to linear programs (HiGHS).

    python separation.py

Separated: max sum of a_i b over a_i b >= 0, |b| <= 1 is above 0, a_i = ±(1, x_i) (Konis 2007). Complete: so is max t over
a_i b >= t. A coefficient is unbounded where its largest absolute value over a_i b >= 0, |b| <= 1 is above 0.
Needs: pip install numpy scipy.
"""
import json
import pathlib

import numpy as np
from scipy.optimize import linprog


def best(c, a, bounds):
    """The largest c·b over a·b >= 0."""
    found = linprog(-np.asarray(c, float), A_ub=-a, b_ub=np.zeros(len(a)), bounds=bounds, method="highs")
    assert found.status == 0
    value = -found.fun
    assert value < 1e-7 or value > 1e-3, "neither 0 nor clearly above"
    return value > 1e-3


def judge(x, y):
    a = np.where(y, 1, -1)[:, None] * np.column_stack([np.ones(len(y)), x])
    k = a.shape[1]
    box = [(-1, 1)] * k
    if not best(a.sum(0), a, box):
        return "none", []
    if best([0] * k + [1], np.column_stack([a, -np.ones(len(y))]), box + [(0, 1)]):
        return "complete", []
    unit = np.eye(k)
    return "quasi", [j - 1 for j in range(1, k) if best(unit[j], a, box) or best(-unit[j], a, box)]


def main():
    rng = np.random.default_rng(1)
    cases, count = [], {"none": 0, "complete": 0, "quasi": 0}
    while min(count.values()) < 60:
        n, p = rng.integers(6, 40), rng.integers(1, 6)
        x = rng.integers(0, rng.integers(2, 6, p), (n, p))
        eta = x @ rng.integers(-2, 3, p)
        y = eta + rng.integers(0, 1 + rng.integers(0, 5), n) > np.median(eta)
        if len(set(y)) < 2 or np.linalg.matrix_rank(np.column_stack([np.ones(n), x])) <= p:
            continue
        kind, columns = judge(x, y)
        if count[kind] < 60:
            count[kind] += 1
            cases.append({"x": x.tolist(), "y": y.tolist(), "kind": kind, "columns": columns})
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (pathlib.Path(__file__).parent / "separation.json").write_text(f"[\n{text}\n]\n")
    print(count)


if __name__ == "__main__":
    main()
