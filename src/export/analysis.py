"""The cells of analysis.ipynb. Each starts with `# %%` and its type: markdown, or a tag of a code cell. MODEL_LABEL is replaced by the name of the model."""
# %% [markdown]
# # Model MODEL_LABEL
#
# This notebook shows what the model learned and how well it predicts. It recomputes every result with independent packages, and it
# ends with three starting points for your own analysis. `pql export notebook` wrote it, together with these files:
#
# | file | content |
# |---|---|
# | `features.parquet` | the test rows: account, cutoff, outcome and raw features |
# | `scores.parquet` | the scores of these rows; `held_out` is the probability used in the evaluation |
# | `coefficients.csv` | one row per design column: encoding, coefficient and interval |
# | `model.json` | the model card |
# | `train.parquet` | the training rows, if exported with `--features` |
#
# Requirements: `pip install polars numpy matplotlib scikit-learn statsmodels`. All cells run in a few seconds.
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
text_columns = ["feature", "raw_feature", "measure", "term", "level", "known_levels"]
# Read all columns as text first, so that a level such as `00001` keeps its zeros.
coefficients = pl.read_csv("coefficients.csv", infer_schema=False).with_columns(pl.exclude(text_columns).cast(pl.Float64))
assert features["account_id"].to_list() == scores["account_id"].to_list()

y = scores["converted"].to_numpy().astype(int)
held_out = scores["held_out"].to_numpy()
print(f"{len(y)} rows, {y.sum()} converted; {coefficients.height - 1} design columns; penalty {config['model']['penalty']}, alpha {card['alpha']:.6g}")
# %% [markdown]
# ## What the model learned
#
# The twenty largest coefficients, per standard deviation of the feature. A positive coefficient raises the score. Bars are 95% confidence
# intervals. Models that select features (L1, elastic net) have none.
# %%
columns = coefficients.filter(pl.col("term") != "intercept")
largest = columns.sort(pl.col("coef").abs(), descending=True).head(20)
largest.select("feature", "coef", "low", "high", "odds_ratio", "odds_ratio_raw", "p_unpenalized", "vif")
# %% [plot]
import matplotlib.pyplot as plt

shown = largest.reverse()
height = np.arange(shown.height)
figure, axes = plt.subplots(figsize=(7, 0.3 * shown.height + 1))
axes.axvline(0, color="gray", linewidth=0.8)
if shown["low"].null_count() == 0:
    axes.hlines(height, shown["low"], shown["high"], color="tab:blue", alpha=0.5)
axes.plot(shown["coef"], height, "o", color="tab:blue")
axes.set_yticks(height, shown["feature"])
axes.set_xlabel("change in log-odds per standard deviation")
figure.tight_layout()
# %% [markdown]
# ## How well it predicts
#
# Metrics on the test rows, which are the newest cohorts and were not used for training. scikit-learn and statsmodels recompute the metrics
# from `scores.parquet`. The cell fails if they differ from the model card.
# %%
import statsmodels.api as sm
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

evaluation = card["evaluation"]
both_outcomes = 0 < y.sum() < len(y)
log_odds = np.log(held_out / (1 - held_out))
recomputed = {"base_rate": y.mean(), "log_loss": log_loss(y, held_out, labels=[0, 1]), "brier": brier_score_loss(y, held_out)}
if both_outcomes:
    recomputed |= {"roc_auc": roc_auc_score(y, held_out), "average_precision": average_precision_score(y, held_out)}
if evaluation["calibration_slope"] is not None:
    # Logistic regression of y on the log-odds. Perfect calibration has intercept 0 and slope 1.
    line = sm.Logit(y, np.column_stack([np.ones(len(y)), log_odds])).fit(disp=0, method="newton", maxiter=100)
    recomputed |= {"calibration_intercept": line.params[0], "calibration_slope": line.params[1]}
# Estimates in the model card also have a standard error and a 95% interval.
in_card = {name: evaluation[name]["value"] if isinstance(evaluation[name], dict) else evaluation[name] for name in recomputed}
for name, value in recomputed.items():
    assert np.isclose(value, in_card[name], rtol=1e-6, atol=1e-9), (name, value, in_card[name])
pl.DataFrame({"metric": list(recomputed), "recomputed": list(recomputed.values()), "model card": list(in_card.values())})
# %% [plot]
from sklearn.metrics import roc_curve

figure, ((calibration, gains), (roc, distribution)) = plt.subplots(2, 2, figsize=(10, 9))
bins = pl.DataFrame(evaluation["reliability"])
low, high = (bins["observed_rate_interval"].struct.field(end).to_numpy() for end in ("low", "high"))
rate = bins["observed_rate"].to_numpy()
calibration.plot([0, high.max()], [0, high.max()], color="gray", linewidth=0.8)
calibration.errorbar(bins["mean_probability"], rate, yerr=[np.maximum(rate - low, 0), np.maximum(high - rate, 0)], fmt="o")
calibration.set(title="Calibration (ten bins of equal size)", xlabel="mean predicted probability", ylabel="conversion rate, 95% CI")
gain = [decile["gain"] for decile in evaluation["gains"]]
if both_outcomes:
    share = np.cumsum([decile["rows"] for decile in evaluation["gains"]]) / len(y)
    gains.plot([0, *share], [0, *gain], "o-")
    false_positive, true_positive, _ = roc_curve(y, held_out)
    roc.plot(false_positive, true_positive)
for axes in (gains, roc):
    axes.plot([0, 1], [0, 1], color="gray", linewidth=0.8)
gains.set(title="Cumulative gains", xlabel="share of rows, highest scores first", ylabel="share of all conversions")
auc = evaluation["roc_auc"]["value"] if both_outcomes else float("nan")
roc.set(title=f"ROC curve (AUC {auc:.4f})", xlabel="false positive rate", ylabel="true positive rate")
edges = np.linspace(log_odds.min(), log_odds.max(), 31)
for outcome, name in [(0, "did not convert"), (1, "converted")]:
    distribution.hist(log_odds[y == outcome], edges, density=True, alpha=0.5, label=name)
distribution.axvline(np.log(card["threshold"] / (1 - card["threshold"])), color="black", linewidth=0.8, label="threshold")
distribution.set(title="Scores by outcome", xlabel="log-odds", ylabel="density")
distribution.legend()
figure.tight_layout()
# %% [markdown]
# ## How a probability is computed
#
# This section computes every probability in numpy, from `coefficients.csv` and the calibration in `model.json` alone.
#
# 1. Transform each numeric feature: `log1p` of max(x, 0), clip to the bounds, replace missing values by `fill`.
# 2. Compute the design columns. The column `term` names the kind:
#
# | `term` | design column |
# |---|---|
# | `value` | the transformed value |
# | `jump` | 1 if the transformed value is above `knot` |
# | `hinge` | the amount by which the transformed value exceeds `knot` |
# | `missing` | 1 if the raw value is missing |
# | `level` | 1 if the text equals `level`; a missing text has the level `(missing)` |
# | `other` | 1 if the text is not in `known_levels` |
#
# 3. Standardize the columns, multiply them by their coefficients, add the intercept, and calibrate.
# %%
def transform(raw, row):
    """Returns a numeric feature after log1p, bounds and fill."""
    x = raw.fill_null(0.0).to_numpy()
    if row["log1p"]:
        x = np.log1p(np.maximum(x, 0))
    if row["low_bound"] is not None:
        x = np.clip(x, row["low_bound"], row["high_bound"])
    return np.where(raw.is_null().to_numpy(), row["fill"], x)


def design_column(rows, row):
    """Returns a standardized design column."""
    raw, term = rows[row["raw_feature"]], row["term"]
    if term in ("level", "other"):
        text = raw.fill_null("(missing)").replace("", "(missing)")
        x = (text == row["level"] if term == "level" else ~text.is_in(json.loads(row["known_levels"]))).to_numpy()
    elif term == "missing":
        x = raw.is_null().to_numpy()
    else:
        x = transform(raw, row)
        if term == "jump":
            x = x > row["knot"]
        elif term == "hinge":
            x = np.maximum(x - row["knot"], 0)
    # `mean_low` is the low-order part of the mean, a correction for rounding.
    return (x - row["mean"] - row["mean_low"]) / row["sd"]


def design_matrix(rows):
    """Returns the standardized design matrix, without intercept column."""
    parts = [design_column(rows, row) for row in columns.iter_rows(named=True)]
    return np.column_stack(parts) if parts else np.empty((rows.height, 0))


def calibrate(eta):
    """Returns the reported probabilities for the log-odds of the fit."""
    method = card["calibration"]
    if "Isotonic" in method:
        probability = np.interp(eta, method["Isotonic"]["log_odds"], method["Isotonic"]["probability"])
    else:
        platt = method["Platt"] if "Platt" in method else {"intercept": 0, "slope": 1}
        probability = 1 / (1 + np.exp(-(platt["intercept"] + platt["slope"] * eta)))
    return np.clip(probability, 1e-9, 1 - 1e-9)


intercept = coefficients.row(0, named=True)["coef"]
beta = columns["coef"].to_numpy()
x = design_matrix(features)
rebuilt = calibrate(intercept + x @ beta)
# Steep pieces of an isotonic calibration amplify rounding errors of the log-odds.
steepest = 1.0
if "Isotonic" in card["calibration"]:
    knots = card["calibration"]["Isotonic"]
    slopes = np.diff(knots["probability"]) / np.diff(knots["log_odds"])
    steepest = max(1.0, slopes.max(initial=0.0))
difference = np.abs(rebuilt - scores["probability"].to_numpy()).max()
assert difference < 1e-12 * steepest, f"the rebuilt probabilities differ by {difference:.1e}"
if not card["refit"]:
    assert np.abs(rebuilt - held_out).max() < 1e-12 * steepest
print(f"rebuilt and reported probabilities differ by at most {difference:.1e}")
# %% [markdown]
# ## Refit with other packages
#
# scikit-learn and statsmodels minimize the same objective on the same design matrix: the sum of log losses plus alpha/2 · ‖β‖². The
# intercept is not penalized, and scikit-learn's `C` is 1/alpha.
#
# - With `train.parquet`, they are fit on the training rows. Coefficients and standard errors must equal those of the model.
# - Without it, they are fit on the test rows, with the same penalty per row. The two packages must agree with each other. They differ from
#   the model as two samples do: `z` is the difference divided by its standard error. About 5% of the columns exceed ±1.96, or fewer with
#   a penalty.
# - L1, elastic net and Firth penalties are not available in both packages. For these models, and for models without a penalty on test
#   rows, an L2 penalty with alpha = 1 is used instead. It shows only the direction of the coefficients.
# %%
from sklearn.linear_model import LogisticRegression


def fit_scikit_learn(x, y, alpha):
    """Returns intercept and coefficients of an L2-penalized fit."""
    fit = LogisticRegression(C=1 / alpha if alpha > 0 else np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    return np.r_[fit.intercept_, fit.coef_[0]]


def fit_statsmodels(x, y, alpha):
    """Returns the same, by Newton's method on the penalized log-likelihood of statsmodels."""
    model = sm.Logit(y, np.column_stack([np.ones(len(x)), x]))
    penalty = np.r_[0, np.full(x.shape[1], alpha)]
    coef = np.zeros(len(penalty))
    for _ in range(100):
        step = np.linalg.solve(np.diag(penalty) - model.hessian(coef), model.score(coef) - penalty * coef)
        coef += step
        if np.abs(step).max() < 1e-12:
            break
    return coef


def standard_errors(x, y, group, coef, alpha):
    """Returns standard errors, clustered by account if accounts repeat: A⁻¹(B + alpha·S)A⁻¹ with A = ZᵀWZ + alpha·S."""
    z = np.column_stack([np.ones(len(x)), x])
    p = 1 / (1 + np.exp(-z @ coef))
    n, k = z.shape
    penalty = np.diag(np.r_[0, np.full(k - 1, alpha)])
    inner = (z.T * (p * (1 - p))) @ z
    inverse = np.linalg.inv(inner + penalty)
    names, group = np.unique(group, return_inverse=True)
    if len(names) < n:
        sums = np.zeros((len(names), k))
        np.add.at(sums, group, z * (y - p)[:, None])
        inner = sums.T @ sums * len(names) / (len(names) - 1) * (n - 1) / (n - k)
    return np.sqrt(np.diag(inverse @ (inner + penalty) @ inverse))


penalty = config["model"]["penalty"]
training_counts = card["refit"] or card["train"]
has_training_rows = Path("train.parquet").exists()
rows = pl.read_parquet("train.parquet") if has_training_rows else features
x, outcome = design_matrix(rows), rows["converted"].to_numpy().astype(int)
same_objective = penalty == "l2" or (penalty == "none" and has_training_rows)
alpha = card["alpha"] * len(outcome) / training_counts["rows"] if same_objective else 1.0
own = np.r_[intercept, beta]
table = None
if 0 < outcome.sum() < len(outcome):
    scikit_learn, refit = fit_scikit_learn(x, outcome, alpha), fit_statsmodels(x, outcome, alpha)
    assert np.abs(scikit_learn - refit).max() < 1e-6, "scikit-learn and statsmodels disagree"
    error = standard_errors(x, outcome, rows["account_id"].to_numpy(), refit, alpha)
    table = coefficients.select("feature", "coef", "std_error", "low", "high").with_columns(refit=refit, refit_error=error)
    table = table.with_columns(z=(pl.col("refit") - pl.col("coef")) / (pl.col("std_error") ** 2 + pl.col("refit_error") ** 2).sqrt())
    outside = (table["z"].abs() > 1.96).sum() / max(table.height - table["z"].null_count(), 1)
    print(f"fit on {len(outcome)} {'training' if has_training_rows else 'test'} rows")
    print(f"largest difference between scikit-learn and statsmodels: {np.abs(scikit_learn - refit).max():.1e}")
    print(f"largest difference from the model: {np.abs(refit - own).max():.1e}; |z| > 1.96 for {outside:.0%} of the coefficients")
if has_training_rows:
    # On the training rows, every design column has mean 0 and standard deviation 1.
    assert np.abs(x.mean(axis=0)).max() < 1e-9 and np.abs(x.std(axis=0) - 1).max() < 1e-9
if has_training_rows and same_objective:
    assert np.abs(refit - own).max() < 1e-6, "the coefficients of the model are not optimal"
    assert np.allclose(error, coefficients["std_error"].to_numpy(), rtol=1e-6)
table
# %% [plot]
if table is not None:
    both = largest.select("feature").join(table, on="feature", maintain_order="left").reverse()
    height = np.arange(both.height)
    figure, axes = plt.subplots(figsize=(7, 0.3 * both.height + 1))
    axes.axvline(0, color="gray", linewidth=0.8)
    series = [("coef", "std_error", "model", 0.12, "tab:blue"), ("refit", "refit_error", "refit", -0.12, "tab:orange")]
    for name, error, label, shift, color in series:
        width = 1.96 * both[error].fill_null(0).to_numpy()
        axes.errorbar(both[name], height + shift, xerr=width, fmt="o", markersize=4, color=color, label=label)
    axes.set_yticks(height, both["feature"])
    axes.set_xlabel("change in log-odds per standard deviation, 95% CI")
    axes.legend(loc="lower right")
    figure.tight_layout()
# %% [markdown]
# ## Continue: features and scores
#
# `rows` has the raw features and the scores of each test row.
# %% [continue]
score_columns = scores.select(pl.col("probability", "percentile", "tier", "qualified", "reason_1").name.prefix("pql_"))
rows = features.with_columns(score_columns.get_columns())
rows.group_by("pql_tier").agg(rows=pl.len(), expected=pl.col("pql_probability").sum(), converted=pl.col("converted").sum()).sort("pql_tier")
# %% [markdown]
# ## Continue: another model
#
# `matrix` is the design matrix with named columns, for any estimator. The outcomes are in `y`. Cross-validate by account (`GroupKFold` on
# `account_id`), because rows of the same account are similar. Test on cohorts that are newer than the training cohorts.
# %% [continue]
matrix = pl.DataFrame(design_matrix(features), schema=columns["feature"].to_list())
matrix.describe()
# %% [markdown]
# ## Continue: largest errors
#
# The rows with the largest log loss: high probabilities that did not convert, and low probabilities that did.
# %% [continue]
loss = -np.where(y == 1, np.log(held_out), np.log1p(-held_out))
scores.with_columns(log_loss=loss).sort("log_loss", descending=True).select("account_id", "cutoff", "converted", "held_out", "log_loss", "reason_1", "reason_2").head(10)
