"""Time of a fit of 1 million rows and of a regularization path, compared with scikit-learn, glum and linfa-logistic."""
from importlib.util import find_spec
from pathlib import Path

from measure import Bench, Run, Table, duration, once, peer, say, size, times

COLUMNS = 40
FITS = {"scikit-learn, newton-cholesky": "newton-cholesky", "scikit-learn, lbfgs": "lbfgs", "scikit-learn, lbfgs, tol 1e-6": "lbfgs-loose", "glum": "glum"}
PATHS = {"scikit-learn, LogisticRegressionCV, newton-cholesky": "path-newton-cholesky", "scikit-learn, LogisticRegressionCV, lbfgs": "path-lbfgs"}


def dense(bench: Bench) -> tuple[Path, int]:
    rows = bench.size(1_000_000, 2000)
    return bench.made("dense", lambda folder: once(peer("make", "dense", folder, rows))), rows


def ours(bench: Bench, what: str, runs: int = 3) -> Run:
    return bench.measure(f"pql, {what}", [bench.kernels, "matrix", dense(bench)[0], COLUMNS, what], runs)


def run(bench: Bench) -> list[Table]:
    folder, n = dense(bench)
    fit = ours(bench, "fit")
    rows = [["pql", duration(fit.seconds), size(fit.memory), f"{fit.answer['gradient']:.0e}", ""]]
    found = {name: bench.measure(name, peer("fit", folder, COLUMNS, solver)) for name, solver in FITS.items() if solver != "glum" or find_spec("glum")}
    found["linfa-logistic"] = ours(bench, "linfa")
    for name, theirs in found.items():
        rows.append([name, duration(theirs.seconds), size(theirs.memory), f"{theirs.answer['gradient']:.0e}", times(theirs.seconds / fit.seconds)])
    fastest = min(theirs.seconds for theirs in found.values())
    near = min(theirs.seconds for theirs in found.values() if theirs.answer["gradient"] <= 1e-8)
    bench.goal("fit: speedup over scikit-learn and glum, at any tolerance", "5 ×", times(fastest / fit.seconds), fastest >= 5 * fit.seconds)
    bench.goal("fit: speedup over those that reach a gradient of 1e-8", "5 ×", times(near / fit.seconds), near >= 5 * fit.seconds)
    bench.goal("fit: gradient per row", "1e-10", f"{fit.answer['gradient']:.0e}", fit.answer["gradient"] <= 1e-10)
    return [Table(f"Fit: {n:,} × {COLUMNS}, alpha 1", ["", "time", "peak memory", "gradient per row", "time relative to pql"], rows, peak(bench, fit, n))]


def peak(bench: Bench, fit: Run, n: int) -> str:
    """Compares the time of the fit with that of computing its Hessians."""
    products = once(peer("fit", dense(bench)[0], COLUMNS, "products")).answer
    # Half of the symmetric product of k columns: k(k + 1) operations for each row.
    work = n * (COLUMNS + 1) * (COLUMNS + 2)
    steps = fit.answer["iterations"]
    share = steps * products["seconds"] / fit.seconds
    say(f"  a Hessian by numpy's dsyrk: {duration(products['seconds'])}; the fit's {steps} steps: {share:.0%} of its time")
    return (f"numpy's dsyrk takes {duration(products['seconds'])} for one Hessian ({work / products['seconds'] / 1e9:.0f} GFlop/s; a square product reaches "
            f"{products['flops'] / 1e9:.0f}). The {steps} Hessians of the fit would take {share:.0%} of its time.")


def path(bench: Bench) -> list[Table]:
    folder, n = dense(bench)
    one, whole = ours(bench, "fit"), ours(bench, "path", 1)
    rows = [["pql", duration(whole.seconds), size(whole.memory), ""]]
    alphas = ",".join(map(str, whole.answer["alphas"]))
    for name, what in PATHS.items():
        theirs = bench.measure(name, peer("fit", folder, COLUMNS, what, "--alphas", alphas), 1)
        rows.append([name, duration(theirs.seconds), "–", times(theirs.seconds / whole.seconds)])
    ratio = whole.seconds / one.seconds
    bench.goal("path of 20 penalties, 5 folds: time relative to one fit", "30 × (target: 15 ×)", times(ratio), ratio <= 30)
    return [Table(f"Path: {n:,} × {COLUMNS}, 20 penalties, 5 folds", ["", "time", "peak memory", "time relative to pql"], rows, f"The path takes {times(ratio)} the time of one fit.")]
