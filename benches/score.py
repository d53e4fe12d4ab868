"""Time and memory of scoring: a matrix of 10 million rows, Parquet to Parquet, and raw events."""
from pathlib import Path

import end
from measure import Bench, Table, duration, once, peer, size, times, warm


def matrix(bench: Bench, rows: int = 10_000_000) -> Path:
    return bench.made(f"matrix{rows}", lambda folder: once(peer("make", "matrix", folder, bench.size(rows, 2000))))


def scoring(bench: Bench, folder: Path, program: list) -> list:
    """The command that scores with a model of the first rows, but for its batch; a new one each time, since its format may have changed."""
    models = bench.out("models")
    train = [bench.pql, "train", "--features", folder / "train.parquet", "--name", "bench", "--models", models, "--no-test-rows", "--quiet"]
    once([*train, "--set", "model.alpha=1", "-c", nothing(folder)])
    return [*program, "bench", "--models", models, "-c", nothing(folder), "--quiet", "-o", bench.out("scores.parquet"), "--features"]


def nothing(folder: Path) -> Path:
    """An empty project file, so that no other one is used."""
    path = folder / "pql.toml"
    path.touch()
    return path


def run(bench: Bench) -> list[Table]:
    folder = matrix(bench)
    file, out = folder / "matrix.parquet", bench.out("peer.parquet")
    warm(file)
    read = bench.measure("Polars reads whole, writes one column", peer("read", "whole", file, out))
    command = scoring(bench, folder, [bench.pql, "score"])
    asked = {"pql, three reasons": ["--reasons", "3"], "pql, no reasons": ["--reasons", "0"]} if bench.can("score", "--reasons") else {"pql, three reasons": []}
    found = {name: bench.measure(name, [*command, file, *more]) for name, more in asked.items()}
    pipeline = bench.measure("scikit-learn", peer("score", folder / "train.parquet", file, out))
    found |= {"scikit-learn, probabilities only": pipeline, "Polars: reading all columns, writing one": read}
    rows = [[name, duration(run.seconds), size(run.memory), f"{run.seconds / read.seconds:.2f} ×"] for name, run in found.items()]
    ours = found["pql, three reasons"]
    bench.goal("score a matrix: time relative to reading it", "1.5 ×", times(ours.seconds / read.seconds), ours.seconds <= 1.5 * read.seconds)
    bench.goal("score a matrix: speedup over scikit-learn", "2 ×", times(pipeline.seconds / ours.seconds), pipeline.seconds >= 2 * ours.seconds)
    fewer = bench.measure("pql, a fifth of the rows", [*command, matrix(bench, 2_000_000) / "matrix.parquet"], 1)
    growth = ours.memory / fewer.memory
    bench.goal("score a matrix: peak memory, 10 million rows relative to 2 million", "1 ×", f"{growth:.2f} ×", growth <= 1.1)
    n = bench.size(10_000_000, 2000)
    return [Table(f"Score: a matrix of {n:,} × 40", ["", "time", "peak memory", "relative to reading"], rows, f"{size(file.stat().st_size)} of Parquet.")]


def events(bench: Bench) -> list[Table]:
    log, models = end.trained(bench)
    warm(log / "events.parquet", log / "accounts.parquet")
    options = ["--models", models, "-c", log / "pql.toml", "--at", end.AT, "--quiet", "-o"]
    features = bench.measure("features alone", [bench.pql, "features", "--model", "bench", *options, bench.out("features.parquet")])
    score = bench.measure("score", [bench.pql, "score", "bench", *options, bench.out("scores.parquet")])
    rows = [[name, duration(run.seconds), size(run.memory)] for name, run in (("pql features --model", features), ("pql score", score))]
    ratio = score.seconds / features.seconds
    bench.goal("score from raw events: time relative to the features alone", "1.3 ×", f"{ratio:.2f} ×", ratio <= 1.3)
    return [Table("Score: from 20 million raw events", ["", "time", "peak memory"], rows)]
