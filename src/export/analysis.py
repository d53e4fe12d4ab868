"""The cells of analysis.ipynb: each begins with `# %%`, then its kind: markdown, or a tag of code. MODEL_LABEL is the model's name."""
# %% [markdown]
# # Model MODEL_LABEL
#
# Written by `pql export notebook`. Beside this notebook lie
#
# | file | what |
# |---|---|
# | `features.parquet` | the rows the model was judged by: account, cutoff, outcome, raw features |
# | `scores.parquet` | what `pql score` says of these rows; `held_out` is the probability the model was judged by |
# | `coefficients.csv` | a row per design column: its way from the raw value, coefficient, interval |
# | `model.json` | the model card |
# | `train.parquet` | the rows it learned from, where `--features` gave them |
#
# It needs `pip install polars numpy matplotlib scikit-learn statsmodels`. Everything runs from top to bottom in some seconds; what is
# marked **Go on here** waits for you.
# %%
import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl

card = json.loads(Path("model.json").read_text(encoding="utf-8"))
config = tomllib.loads(card["configuration"])
features = pl.read_parquet("features.parquet")
scores = pl.read_parquet("scores.parquet")
texts = ["feature", "from", "measure", "part", "level", "known"]
# Everything as text first, so that a level `00001` stays one.
coefficients = pl.read_csv("coefficients.csv", infer_schema=False).with_columns(pl.exclude(texts).cast(pl.Float64))
assert features["account_id"].to_list() == scores["account_id"].to_list()

y = scores["converted"].to_numpy().astype(int)
held_out = scores["held_out"].to_numpy()
print(f"{len(y)} rows, {y.sum()} converted; {coefficients.height - 1} design columns; penalty {config['model']['penalty']}, alpha {card['alpha']:.6g}")
# %% [markdown]
# ## What it has learned
#
# Coefficients per standard deviation, the twenty of largest size; bars are 95 % intervals, which a penalty that selects does not have.
# %%
columns = coefficients.filter(pl.col("part") != "intercept")
largest = columns.sort(pl.col("coef").abs(), descending=True).head(20)
largest.select("feature", "coef", "low", "high", "odds_ratio", "odds_ratio_raw", "p", "vif")
# %% [plot]
import matplotlib.pyplot as plt

shown = largest.reverse()
height = np.arange(shown.height)
figure, axes = plt.subplots(figsize=(7, 0.3 * shown.height + 1))
axes.axvline(0, color="grey", linewidth=0.8)
if shown["low"].null_count() == 0:
    axes.hlines(height, shown["low"], shown["high"], color="tab:blue", alpha=0.5)
axes.plot(shown["coef"], height, "o", color="tab:blue")
axes.set_yticks(height, shown["feature"])
axes.set_xlabel("change of the log-odds per standard deviation")
figure.tight_layout()
# %% [markdown]
# ## How good it is
#
# On the held-out rows, the newest cohorts, by the probability of a fit that had not seen them. scikit-learn and statsmodels compute the
# metrics again from `scores.parquet`; they have to be those of the model card.
# %%
import statsmodels.api as sm
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

judged = card["evaluation"]
mixed = 0 < y.sum() < len(y)
log_odds = np.log(held_out / (1 - held_out))
again = {"base_rate": y.mean(), "log_loss": log_loss(y, held_out, labels=[0, 1]), "brier": brier_score_loss(y, held_out)}
if mixed:
    again |= {"roc_auc": roc_auc_score(y, held_out), "average_precision": average_precision_score(y, held_out)}
if judged["calibration_slope"] is not None:
    # y against the log-odds: intercept 0 and slope 1 are right.
    line = sm.Logit(y, np.column_stack([np.ones(len(y)), log_odds])).fit(disp=0, method="newton", maxiter=100)
    again |= {"calibration_intercept": line.params[0], "calibration_slope": line.params[1]}
# An estimate stands in the card with its standard error and 95 % interval.
in_card = {name: judged[name]["value"] if isinstance(judged[name], dict) else judged[name] for name in again}
for name, value in again.items():
    assert np.isclose(value, in_card[name], rtol=1e-6, atol=1e-9), (name, value, in_card[name])
pl.DataFrame({"metric": list(again), "computed again": list(again.values()), "card": list(in_card.values())})
# %% [plot]
from sklearn.metrics import roc_curve

figure, ((reliability, gains), (roc, spread)) = plt.subplots(2, 2, figsize=(10, 9))
bins = pl.DataFrame(judged["reliability"])
low, high = (bins["converted_interval"].struct.field(end).to_numpy() for end in ("low", "high"))
rate = bins["converted"].to_numpy()
reliability.plot([0, high.max()], [0, high.max()], color="grey", linewidth=0.8)
reliability.errorbar(bins["probability"], rate, yerr=[np.maximum(rate - low, 0), np.maximum(high - rate, 0)], fmt="o")
reliability.set(title="Reliability: ten bins of equal size", xlabel="mean probability", ylabel="share that converted, 95 %")
gain = [decile["gain"] for decile in judged["gains"]]
if mixed:
    share = np.cumsum([decile["rows"] for decile in judged["gains"]]) / len(y)
    gains.plot([0, *share], [0, *gain], "o-")
    false_positive, true_positive, _ = roc_curve(y, held_out)
    roc.plot(false_positive, true_positive)
for axes in (gains, roc):
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
gains.set(title="Gains", xlabel="share of the rows, from the top", ylabel="share of the conversions")
auc = judged["roc_auc"]["value"] if mixed else float("nan")
roc.set(title=f"ROC, AUC {auc:.4f}", xlabel="false positives", ylabel="true positives")
edges = np.linspace(log_odds.min(), log_odds.max(), 31)
for outcome, name in [(0, "not converted"), (1, "converted")]:
    spread.hist(log_odds[y == outcome], edges, density=True, alpha=0.5, label=name)
spread.axvline(np.log(card["threshold"] / (1 - card["threshold"])), color="black", linewidth=0.8, label="threshold")
spread.set(title="Scores", xlabel="log-odds", ylabel="density")
spread.legend()
figure.tight_layout()
# %% [markdown]
# ## The probability, rebuilt
#
# From `coefficients.csv` and the calibration in `model.json` alone, in numpy. A number: log1p of max(x, 0), bounds, `fill` where it is
# missing; then the value, whether it lies above a jump, by how much it exceeds a knot, or whether it is missing. A text: whether it is
# the level, `(missing)` being one, too. Each column is standardised, weighted and summed; the calibration comes last.
# %%
def treated(raw, row):
    """A numeric feature after log1p, bounds and fill."""
    x = raw.fill_null(0.0).to_numpy()
    if row["log1p"]:
        x = np.log1p(np.maximum(x, 0))
    if row["low_bound"] is not None:
        x = np.clip(x, row["low_bound"], row["high_bound"])
    return np.where(raw.is_null().to_numpy(), row["fill"], x)


def design_column(rows, row):
    """A standardised design column of raw features."""
    raw, part = rows[row["from"]], row["part"]
    if part in ("level", "other"):
        text = raw.fill_null("(missing)").replace("", "(missing)")
        x = (text == row["level"] if part == "level" else ~text.is_in(json.loads(row["known"]))).to_numpy()
    elif part == "missing":
        x = raw.is_null().to_numpy()
    else:
        x = treated(raw, row)
        if part == "jump":
            x = x > row["at"]
        elif part == "hinge":
            x = np.maximum(x - row["at"], 0)
    return (x - row["mean"] - row["rest"]) / row["sd"]


def design(rows):
    """The standardised design matrix, without intercept column."""
    made = [design_column(rows, row) for row in columns.iter_rows(named=True)]
    return np.column_stack(made) if made else np.empty((rows.height, 0))


def calibrated(eta):
    """From the log-odds of the fit to the probability that is reported."""
    kind = card["calibration"]
    if "Isotonic" in kind:
        probability = np.interp(eta, kind["Isotonic"]["log_odds"], kind["Isotonic"]["probability"])
    else:
        platt = kind["Platt"] if "Platt" in kind else {"intercept": 0, "slope": 1}
        probability = 1 / (1 + np.exp(-(platt["intercept"] + platt["slope"] * eta)))
    return np.clip(probability, 1e-9, 1 - 1e-9)


intercept = coefficients.row(0, named=True)["coef"]
beta = columns["coef"].to_numpy()
x = design(features)
rebuilt = calibrated(intercept + x @ beta)
# Isotonic pieces may be steep: there a last digit of the log-odds weighs as much more.
steepest = 1.0
if "Isotonic" in card["calibration"]:
    knots = card["calibration"]["Isotonic"]
    rises = np.diff(knots["probability"]) / np.diff(knots["log_odds"])
    steepest = max(1.0, rises.max(initial=0.0))
difference = np.abs(rebuilt - scores["probability"].to_numpy()).max()
assert difference < 1e-12 * steepest, f"the rebuilt probabilities differ by {difference:.1e}"
if card["learned_again"] is None:
    assert np.abs(rebuilt - held_out).max() < 1e-12 * steepest
print(f"rebuilt and reported probabilities differ by at most {difference:.1e}")
# %% [markdown]
# ## Fitted again
#
# scikit-learn, and Newton's method on statsmodels' derivatives, minimise the same objective on the same design: the sum of log losses
# plus alpha/2 · ‖β‖², the intercept free (`C` is 1/alpha).
#
# With `train.parquet` these are the rows the model learned from: coefficients and standard errors have to be equal. Without it only the
# test rows are here. The two packages have to agree with each other on them, at the same strength per row; from the model's coefficients
# theirs differ as samples do: `z` is the difference over its standard error, beyond ±1.96 in about one of twenty columns, in fewer under
# a penalty. l1, the elastic net and Firth's penalty have no twin in both packages: ridge at strength 1 stands in, which shows the
# direction and no more.
# %%
from sklearn.linear_model import LogisticRegression


def with_scikit_learn(x, y, strength):
    """Intercept and coefficients at a strength of the penalty."""
    fit = LogisticRegression(C=1 / strength if strength > 0 else np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    return np.r_[fit.intercept_, fit.coef_[0]]


def with_statsmodels(x, y, strength):
    """The same by Newton's method on statsmodels' log-likelihood, less the penalty."""
    model = sm.Logit(y, np.column_stack([np.ones(len(x)), x]))
    penalty = np.r_[0, np.full(x.shape[1], strength)]
    coef = np.zeros(len(penalty))
    for _ in range(100):
        step = np.linalg.solve(np.diag(penalty) - model.hessian(coef), model.score(coef) - penalty * coef)
        coef += step
        if np.abs(step).max() < 1e-12:
            break
    return coef


def standard_errors(x, y, group, coef, strength):
    """Of penalised coefficients, by account where accounts repeat: A⁻¹(B + alpha·S)A⁻¹, A = ZᵀWZ + alpha·S."""
    z = np.column_stack([np.ones(len(x)), x])
    p = 1 / (1 + np.exp(-z @ coef))
    n, k = z.shape
    penalty = np.diag(np.r_[0, np.full(k - 1, strength)])
    inner = (z.T * (p * (1 - p))) @ z
    inverse = np.linalg.inv(inner + penalty)
    names, group = np.unique(group, return_inverse=True)
    if len(names) < n:
        sums = np.zeros((len(names), k))
        np.add.at(sums, group, z * (y - p)[:, None])
        inner = sums.T @ sums * len(names) / (len(names) - 1) * (n - 1) / (n - k)
    return np.sqrt(np.diag(inverse @ (inner + penalty) @ inverse))


penalty, alpha = config["model"]["penalty"], card["alpha"]
learned = card["learned_again"] or card["train"]
trained = Path("train.parquet").exists()
rows = pl.read_parquet("train.parquet") if trained else features
x, t = design(rows), rows["converted"].to_numpy().astype(int)
twin = penalty == "l2" or (penalty == "none" and trained)
strength = alpha * len(t) / learned["rows"] if twin else 1.0
own = np.r_[intercept, beta]
table = None
if 0 < t.sum() < len(t):
    one, other = with_scikit_learn(x, t, strength), with_statsmodels(x, t, strength)
    assert np.abs(one - other).max() < 1e-6, "scikit-learn and statsmodels disagree"
    error = standard_errors(x, t, rows["account_id"].to_numpy(), other, strength)
    table = coefficients.select("feature", "coef", "std_error", "low", "high").with_columns(refit=other, refit_error=error)
    table = table.with_columns(z=(pl.col("refit") - pl.col("coef")) / (pl.col("std_error") ** 2 + pl.col("refit_error") ** 2).sqrt())
    outside = (table["z"].abs() > 1.96).sum() / max(table.height - table["z"].null_count(), 1)
    print(f"scikit-learn and statsmodels differ by at most {np.abs(one - other).max():.1e}, from the model by {np.abs(other - own).max():.1e}")
    print(f"{len(t)} {'training' if trained else 'test'} rows; |z| > 1.96: {outside:.0%} of the coefficients")
if trained:
    # Of the rows it learned from, every column has mean 0 and standard deviation 1.
    assert np.abs(x.mean(axis=0)).max() < 1e-9 and np.abs(x.std(axis=0) - 1).max() < 1e-9
if trained and twin:
    assert np.abs(other - own).max() < 1e-6, "the coefficients are not those of the optimum"
    assert np.allclose(error, coefficients["std_error"].to_numpy(), rtol=1e-6)
table
# %% [plot]
if table is not None:
    both = largest.select("feature").join(table, on="feature", maintain_order="left").reverse()
    height = np.arange(both.height)
    figure, axes = plt.subplots(figsize=(7, 0.3 * both.height + 1))
    axes.axvline(0, color="grey", linewidth=0.8)
    for name, error, shift, color in [("coef", "std_error", 0.12, "tab:blue"), ("refit", "refit_error", -0.12, "tab:orange")]:
        width = 1.96 * both[error].fill_null(0).to_numpy()
        axes.errorbar(both[name], height + shift, xerr=width, fmt="o", markersize=4, color=color, label=name)
    axes.set_yticks(height, both["feature"])
    axes.set_xlabel("change of the log-odds per standard deviation, 95 %")
    axes.legend(loc="lower right")
    figure.tight_layout()
# %% [markdown]
# ## Go on here: the rows
#
# `rows` has each row's raw features with what the model says of it.
# %% [go-on]
said = scores.select(pl.col("probability", "percentile", "tier", "qualified", "reason_1").name.prefix("pql_"))
rows = features.with_columns(said.get_columns())
rows.group_by("pql_tier").agg(rows=pl.len(), expected=pl.col("pql_probability").sum(), converted=pl.col("converted").sum()).sort("pql_tier")
# %% [markdown]
# ## Go on here: another model
#
# The design matrix with the names of its columns, ready for any estimator; outcomes are in `y`. Cross-validate by account
# (`GroupKFold` on `account_id`), since rows of one account are alike, and judge on cohorts that are newer than those learned from.
# %% [go-on]
matrix = pl.DataFrame(design(features), schema=columns["feature"].to_list())
matrix.describe()
# %% [markdown]
# ## Go on here: where it is wrong
#
# Rows of great surprise: high probabilities that did not convert, low ones that did.
# %% [go-on]
surprise = -np.where(y == 1, np.log(held_out), np.log1p(-held_out))
scores.with_columns(surprise=surprise).sort("surprise", descending=True).select("account_id", "cutoff", "converted", "held_out", "reason_1", "reason_2").head(10)
