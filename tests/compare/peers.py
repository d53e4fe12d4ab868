"""Compare pql on held-out rows with logistic regression and boosting of scikit-learn, on the same features.

    python peers.py PQL DATA [-o FILE.md] [--only SET,…] [--set KEY=VALUE …] [--work DIR]

PQL           the binary
DATA          folder of data sets, each in its own folder: see the project files in tests/real
-o            file for the Markdown tables; default: stdout. In a file with the lines `<!-- peers -->` and
              `<!-- /peers -->` the text between them is replaced
--only        names of sets, see SETS below
--set         option for every `pql train`
--work        folder for models and matrices; default: a temporary folder

Each set is split once, so all methods use the same training and test rows: logs by time, as pql does (newest cutoffs,
purged), tables by a fixed seed. The features of logs come from `pql features`; tables are used as they are.

* base: the base rate of the training rows.
* LR: null to median with an indicator, log1p where a column is non-negative and skewed, StandardScaler, one-hot with rare
  levels pooled, LogisticRegressionCV on log loss with folds grouped by account.
* boosting: HistGradientBoostingClassifier; leaves and number of trees by log loss over folds grouped by account.

Intervals and differences are by account: influence values summed over the rows of an account (Obuchowski 1997 for AUC, the
ratio estimator for log loss). Needs numpy, pandas, polars, pyarrow, scikit-learn. Takes under 10 minutes on 2 cores.
"""
import argparse
import json
import os

# Set before numpy is imported: on a busy machine, waiting OpenMP threads cost ten times the gain of a second thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KEYS = ["account_id", "cutoff", "outcome", "converted", "split"]
FOLDS = 5
TEST_SHARE = 0.3
SEED = 0
# The defaults, set explicitly because a project file may have others.
DEFAULTS = ['model.alpha="cv"', 'model.calibration="platt"']
BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
# Maximum number of boosting trees; FEWER suffice for sets with MANY rows.
TREES, FEWER, MANY = 250, 150, 50_000


@dataclass
class Set:
    """A data set; a log has a project file, a table has a CSV file."""
    config: str = ""
    sets: list = field(default_factory=list)
    csv: str = ""
    label: str = ""
    positive: str = ""
    drop: list = field(default_factory=list)
    categories: list = field(default_factory=list)
    numbers: list = field(default_factory=list)
    note: str = ""


SHOPPERS = dict(csv="online_shoppers/online_shoppers_intention.csv", label="Revenue", positive="true",
                categories=["OperatingSystems", "Browser", "Region", "TrafficType"])
SETS = {
    "demo": Set(config="data/demo/pql.toml", note="simulated by pql"),
    "ds365": Set(config="tests/real/ds365.toml", note="weekly snapshots, 30 days ahead"),
    "ds365-day1": Set(config="tests/real/ds365.toml", sets=['observation.cutoffs="age"', 'observation.age="1d"'],
                      note="a day after sign-up, 30 days ahead"),
    "cdnow": Set(config="tests/real/cdnow.toml", note="weekly snapshots, buys again within 90 days"),
    "telco": Set(csv="telco_churn/Telco-Customer-Churn.csv", label="Churn", positive="Yes", drop=["customerID"], numbers=["TotalCharges"],
                 note="table, all columns"),
    "shoppers": Set(**SHOPPERS, note="table, with PageValues, which is partly the outcome"),
    "shoppers-honest": Set(**SHOPPERS, drop=["PageValues"], note="table, without PageValues"),
    "ucla": Set(csv="ucla_admit/admit.csv", label="admit", positive="1", categories=["rank"], note="table, 400 rows"),
    "ds365_ml": Set(csv="ds365_ml/ml_datasource.csv", label="purchased", positive="1", note="table that leaks the outcome: no measure of skill"),
    "ravenstack": Set(config="tests/real/ravenstack.toml", note="random labels: no skill is possible"),
}


@dataclass
class Rows:
    """Training and test rows: features as a frame, outcome, and account code by row."""
    x: pl.DataFrame
    y: np.ndarray
    account: np.ndarray
    key: pl.DataFrame

    def folds(self):
        cv = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
        return list(cv.split(np.zeros(len(self.y)), self.y, self.account))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pql")
    parser.add_argument("data")
    parser.add_argument("-o", "--output", default="-")
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--work")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        args.work = os.path.abspath(args.work or folder)
        os.makedirs(args.work, exist_ok=True)
        results = [compare(name.strip(), args) for name in args.only.split(",")]
    write(tables(results), args.output)
    return 0


def write(text: str, output: str):
    if output == "-":
        print(text)
        return
    if os.path.exists(output):
        with open(output) as file:
            before, begin, rest = file.read().partition(BEGIN)
        _, end, after = rest.partition(END)
        if end:
            text = f"{before}{begin}\n{text}\n{end}{after}".rstrip("\n")
    with open(output, "w") as file:
        file.write(text + "\n")


def compare(name: str, args) -> dict:
    """Trains and evaluates all methods on one set."""
    spec, start = SETS[name], time.time()
    train, test, run = load(name, spec, args)
    pql, card = run(DEFAULTS)
    alpha = card["alpha"]
    took = [time.time() - start]
    probabilities = {"base": np.full(len(test.y), train.y.mean()), "pql": pql}
    for peer, fit in [("LR", regression), ("boosting", boosting)]:
        before = time.time()
        probabilities[peer], detail = fit(train, test)
        took.append(time.time() - before)
        print(f"{name}: {peer} {detail}, {took[-1]:.0f} s", file=sys.stderr)
    print(f"{name}: pql alpha {alpha}, {took[0]:.0f} s", file=sys.stderr)
    converting = len(np.unique(train.account[train.y == 1]))
    return dict(name=name, note=spec.note, train=len(train.y), converting=converting, test=len(test.y), positive=int(test.y.sum()),
                scores={k: judged(test, p) for k, p in probabilities.items()},
                apart={k: apart(test, pql, probabilities[k]) for k in ("base", "LR", "boosting")})


# Rows


def load(name: str, spec: Set, args):
    """Returns training rows, test rows, and a function that trains pql and returns its test probabilities and model card."""
    slug = "".join(c if c.isalnum() else "_" for c in name)
    if spec.config:
        frame, command = log_rows(slug, spec, args)
    else:
        frame, command = table_rows(slug, spec, args)
    codes = frame["account_id"].cast(pl.Categorical).to_physical().to_numpy()
    features = [c for c in frame.columns if c not in KEYS]
    key = [c for c in ("account_id", "cutoff") if c in frame.columns]

    def side(which: str) -> Rows:
        at = (frame["split"] == which).fill_null(False).to_numpy()
        return Rows(frame.filter(pl.Series(at)).select(features), frame["converted"].to_numpy()[at].astype(float), codes[at],
                    frame.filter(pl.Series(at)).select(key))

    train, test = side("train"), side("test")

    def run(sets: list):
        models = os.path.join(args.work, "models", slug)
        out = subprocess.run([args.pql, "train", *command, *flags(args.set + sets), "--name", "m", "--models", models, "--promote", "--quiet"],
                             capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(f"{name}: pql train ended with {out.returncode}: {out.stderr}")
        with open(os.path.join(models, "m", "champion")) as file:
            version = os.path.join(models, "m", file.read().strip())
        scored = pl.read_parquet(os.path.join(version, "test.parquet")).select(*key, "probability")
        joined = test.key.join(scored, on=key, how="left", maintain_order="left")
        assert joined.height == test.key.height and joined["probability"].null_count() == 0, f"{name}: test rows differ"
        with open(os.path.join(version, "model.json")) as file:
            return joined["probability"].to_numpy(), json.load(file)

    return train, test, run


def flags(sets: list) -> list:
    return [part for key in sets for part in ("--set", key)]


def log_rows(slug: str, spec: Set, args):
    config = os.path.join(args.work, slug + ".toml")
    with open(os.path.join(ROOT, spec.config)) as file:
        text = file.read()
    folder = os.path.dirname(os.path.join(ROOT, spec.config))
    # Paths are relative to the folder of the project file: data sets are in the folder of the command line, other files next to the original.
    text = text.replace("../../../shared/data/", os.path.abspath(args.data) + "/")
    if "cdnow" in spec.config:
        made = os.path.join(args.work, "cdnow_accounts.csv")
        source = os.path.join(args.data, "cdnow", "CDNOW_master.csv")
        subprocess.run([sys.executable, os.path.join(folder, "cdnow_accounts.py"), source, made], check=True)
        text = text.replace("cdnow_accounts.made.csv", made)
    for line in set(l for l in text.splitlines() if l.startswith("path")):
        path = line.split('"')[1]
        text = text.replace(line, line.replace(path, os.path.join(folder, path), 1))
    with open(config, "w") as file:
        file.write(text)
    matrix = os.path.join(args.work, slug + ".parquet")
    command = ["-c", config, *flags(spec.sets)]
    subprocess.run([args.pql, "features", *command, "-o", matrix, "--quiet"], check=True)
    return pl.read_parquet(matrix), command


def table_rows(slug: str, spec: Set, args):
    frame = pl.read_csv(os.path.join(args.data, spec.csv), infer_schema_length=None, null_values=[""])
    frame = frame.with_columns(pl.col(c).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False) for c in spec.numbers)
    positive = frame[spec.label].cast(pl.String) == spec.positive
    frame = frame.drop(*spec.drop, spec.label).with_columns(pl.selectors.boolean().cast(pl.Int64))
    held_out = np.random.default_rng(SEED).random(frame.height) < TEST_SHARE
    frame = frame.with_columns(
        pl.Series("account_id", [f"{i:06}" for i in range(frame.height)]), positive.cast(pl.Int64).alias("converted"),
        pl.Series("split", np.where(held_out, "test", "train")))
    matrix = os.path.join(args.work, slug + ".parquet")
    frame.write_parquet(matrix)
    config = os.path.join(args.work, slug + ".toml")
    with open(config, "w") as file:
        file.write(f"[design]\ncategorical = {json.dumps(spec.categories)}\n")
    frame = frame.with_columns(pl.col(c).cast(pl.String) for c in spec.categories)
    return frame, ["-c", config, "--features", matrix]


def design(preprocessor: dict, frame: pl.DataFrame) -> np.ndarray:
    """The standardized design matrix, from the encodings in the model card."""
    columns = []
    standard = lambda scale, values: columns.append((values - scale["mean"]) / scale["sd"])
    for encoder in preprocessor["features"]:
        series = frame[encoder["feature"]]
        if encoding := encoder["encoding"].get("Numeric"):
            value = series.cast(pl.Float64).to_numpy().copy()
            null = np.isnan(value)
            value = np.log1p(np.maximum(value, 0)) if encoding["log1p"] else value
            value = np.clip(value, *encoding["bounds"]) if encoding["bounds"] else value
            if encoding["value"]:
                standard(encoding["value"], np.where(null, encoding["fill"], value))
            if encoding["missing"]:
                standard(encoding["missing"], null.astype(float))
        else:
            encoding, text = encoder["encoding"]["Categorical"], series.cast(pl.String).fill_null("(missing)").to_numpy()
            for level, scale in encoding["levels"]:
                if scale:
                    standard(scale, (text == level).astype(float))
            if encoding["other"]:
                known = [encoding["reference_level"], *[level for level, _ in encoding["levels"]]]
                standard(encoding["other"], (~np.isin(text, known)).astype(float))
    return np.column_stack(columns)


def sigmoid(eta):
    return 1 / (1 + np.exp(-np.clip(eta, -700, 700)))


def loss(y, eta):
    return np.logaddexp(0, eta) - y * eta


def ridge(x, y, alpha: float, start):
    """Intercept and coefficients of Σ log loss + α/2 ‖β‖², by Newton's method with step halving."""
    n, p = x.shape
    beta = np.zeros(p + 1) if start is None else start.copy()
    if start is None:
        beta[0] = np.log(y.mean() / (1 - y.mean()))
    of = lambda b: loss(y, b[0] + x @ b[1:]).sum() + alpha / 2 * b[1:] @ b[1:]
    value = of(beta)
    for _ in range(50):
        q = sigmoid(beta[0] + x @ beta[1:])
        w, r = q * (1 - q), q - y
        gradient = np.concatenate([[r.sum()], x.T @ r + alpha * beta[1:]])
        if np.abs(gradient).max() / n < 1e-8:
            break
        wx = x * w[:, None]
        hessian = np.block([[np.array([[w.sum()]]), wx.sum(0)[None]], [wx.sum(0)[:, None], x.T @ wx + alpha * np.eye(p)]])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(p + 1), gradient)
        for half in range(30):
            trial = beta - step / 2**half
            if (to := of(trial)) <= value:
                break
        beta, value = trial, to
    return beta


# Peers


def regression(train: Rows, test: Rows):
    """Fits logistic regression as a careful user of scikit-learn does."""
    text = [c for c, t in train.x.schema.items() if not t.is_numeric()]
    number = [c for c in train.x.columns if c not in text and train.x[c].drop_nulls().n_unique() > 1]
    skewed = [c for c in number if takes_log(train.x[c].drop_nulls().to_numpy())]
    plain = [c for c in number if c not in skewed]
    impute = lambda: SimpleImputer(strategy="median", add_indicator=True)
    encode = ColumnTransformer([
        ("skewed", make_pipeline(impute(), FunctionTransformer(np.log1p), StandardScaler()), skewed),
        ("plain", make_pipeline(impute(), StandardScaler()), plain),
        ("text", OneHotEncoder(min_frequency=0.01, handle_unknown="infrequent_if_exist", sparse_output=False), text)])
    fit = LogisticRegressionCV(Cs=np.geomspace(1e-4, 1e2, 13), cv=train.folds(), scoring="neg_log_loss", solver="newton-cholesky",
                               l1_ratios=(0.0,), use_legacy_attributes=False, max_iter=200, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b = encode.fit_transform(pandas(train.x)), encode.transform(pandas(test.x))
        fit.fit(a, train.y)
        return fit.predict_proba(b)[:, 1], f"C {fit.C_:.3g}, {a.shape[1]} columns"


def takes_log(values: np.ndarray) -> bool:
    """Counts, sums and spans: non-negative, beyond 0/1, skewed to the right."""
    if len(values) == 0 or values.min() < 0 or values.max() <= 1:
        return False
    z = (values - values.mean()) / max(values.std(), 1e-300)
    return (z**3).mean() > 1


def boosting(train: Rows, test: Rows):
    """Leaves by cross-validation, trees at the minimum of the held-out log loss."""
    text = [c for c, t in train.x.schema.items() if not t.is_numeric()]
    number = [c for c in train.x.columns if c not in text and train.x[c].drop_nulls().n_unique() > 1]
    # Boosting supports at most 255 levels: keep the most frequent ones, ties in the order of names.
    commonest = lambda values: sorted(Counter(values).items(), key=lambda level: (-level[1], level[0]))[:250]
    codes = {c: {level: code for code, (level, _) in enumerate(commonest(train.x[c].drop_nulls().to_list()))} for c in text}

    def matrix(x: pl.DataFrame) -> np.ndarray:
        parts = [x[c].cast(pl.Float64).to_numpy() for c in number]
        parts += [np.array([codes[c].get(v, np.nan) for v in x[c].to_list()]) for c in text]
        return np.column_stack(parts)

    a, b = matrix(train.x), matrix(test.x)
    many = len(train.y) > MANY
    most = FEWER if many else TREES
    options = dict(learning_rate=0.05, min_samples_leaf=20 if len(train.y) < 5_000 else 50, l2_regularization=1.0, early_stopping=False,
                   categorical_features=list(range(len(number), a.shape[1])), random_state=SEED)
    new = lambda leaves, trees: HistGradientBoostingClassifier(max_leaf_nodes=leaves, max_iter=trees, **options)
    best = (np.inf, 0, 0)
    for leaves in (4, 8) if many else (4, 8, 16):
        losses = np.zeros(most)
        for rows, held in train.folds()[:2 if many else FOLDS]:
            fit = new(leaves, most).fit(a[rows], train.y[rows])
            losses += [loss(train.y[held], np.log(p[:, 1] / p[:, 0])).sum() for p in fit.staged_predict_proba(a[held])]
        at = int(losses.argmin())
        best = min(best, (losses[at], leaves, at + 1))
    _, leaves, trees = best
    return new(leaves, trees).fit(a, train.y).predict_proba(b)[:, 1], f"{leaves} leaves, {trees} trees"


def pandas(frame: pl.DataFrame):
    return frame.with_columns(pl.selectors.string().fill_null("(missing)")).to_pandas()


# Evaluation


def influence(test: Rows, p: np.ndarray):
    """Log loss and AUC, each with the influence of every row on it: their sum over rows is 0."""
    y, n = test.y, len(test.y)
    p = np.clip(p, 1e-9, 1 - 1e-9)
    losses = -np.where(y == 1, np.log(p), np.log1p(-p))
    of_loss = (losses - losses.mean()) / n
    positive, negative = np.sort(p[y == 1]), np.sort(p[y == 0])
    # Share of the other class that a row outranks, ties counting half.
    share = lambda values, others: (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / 2 / len(others)
    auc = share(positive, negative).mean()
    of_auc = np.where(y == 1, (share(p, negative) - auc) / len(positive), (1 - share(p, positive) - auc) / len(negative))
    return losses.mean(), of_loss, auc, of_auc


def spread(test: Rows, influences: np.ndarray) -> float:
    """Returns the standard error by account."""
    sums = np.bincount(np.unique(test.account, return_inverse=True)[1], influences)
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()))


def judged(test: Rows, p: np.ndarray):
    value, of_value, auc, of_auc = influence(test, p)
    return dict(loss=value, loss_se=spread(test, of_value), auc=auc, auc_se=spread(test, of_auc))


def apart(test: Rows, p: np.ndarray, q: np.ndarray):
    """Returns pql minus the other, with standard errors of the paired differences."""
    a, b = influence(test, p), influence(test, q)
    return dict(loss=a[0] - b[0], loss_se=spread(test, a[1] - b[1]), auc=a[2] - b[2], auc_se=spread(test, a[3] - b[3]))


def tables(results: list) -> str:
    lines = ["| set | training rows | converting accounts | test rows | positive | description |", "|---|---:|---:|---:|---:|---|"]
    for r in results:
        lines.append(f"| {r['name']} | {r['train']} | {r['converting']} | {r['test']} | {r['positive']} | {r['note']} |")
    lines += ["", "| set | log loss: base rate | pql | LR | boosting | pql − LR | pql − boosting |", "|---|---:|---:|---:|---:|---:|---:|"]
    for r in results:
        s, d = r["scores"], r["apart"]
        lines.append(f"| {r['name']} | {s['base']['loss']:.4f} | {interval(s['pql'], 'loss', 4)} | {s['LR']['loss']:.4f} | "
                     f"{s['boosting']['loss']:.4f} | {signed(d['LR'], 'loss', 4)} | {signed(d['boosting'], 'loss', 4)} |")
    lines += ["", "| set | ROC AUC: pql | LR | boosting | pql − LR | pql − boosting |", "|---|---:|---:|---:|---:|---:|"]
    for r in results:
        s, d = r["scores"], r["apart"]
        lines.append(f"| {r['name']} | {interval(s['pql'], 'auc', 3)} | {s['LR']['auc']:.3f} | {s['boosting']['auc']:.3f} | "
                     f"{signed(d['LR'], 'auc', 3)} | {signed(d['boosting'], 'auc', 3)} |")
    return "\n".join(lines)


def interval(score: dict, what: str, digits: int) -> str:
    value, se = score[what], score[what + "_se"]
    return f"{value:.{digits}f} ({value - 1.96 * se:.{digits}f} to {value + 1.96 * se:.{digits}f})"


def signed(difference: dict, what: str, digits: int) -> str:
    return f"{difference[what]:+.{digits}f} ± {difference[what + '_se']:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
