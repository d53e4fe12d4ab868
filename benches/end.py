"""Time from 20 million events to a model and scores, compared with DuckDB for the features and scikit-learn for the model."""
from pathlib import Path

import features
from measure import Bench, Table, duration, once, peer, size, times, warm

# The end of the simulated log.
AT = "2025-10-12"


def train(bench: Bench, log: Path, models: Path) -> list:
    return [bench.pql, "train", "-c", log / "pql.toml", *features.SETS, "--name", "bench", "--models", models, "--no-test-rows", "--quiet"]


def trained(bench: Bench) -> tuple[Path, Path]:
    """The log of 20 million events and a model of it."""
    log, models = bench.log(200_000), bench.out("models")
    once(train(bench, log, models))
    return log, models


def run(bench: Bench) -> list[Table]:
    log = bench.log(200_000)
    warm(log / "events.parquet", log / "accounts.parquet")
    models, scores, matrix = bench.out("models"), bench.out("scores.parquet"), bench.out("features.parquet")
    learn = bench.measure("pql train", train(bench, log, models), 1)
    score = bench.measure("pql score", [bench.pql, "score", "bench", "--models", models, "-c", log / "pql.toml", "-o", scores, "--quiet"], 1)
    once(features.matrix(bench, log, matrix))
    counts = once(peer("check", "describe", matrix, log / "events.parquet")).answer["counts"]
    work = bench.out("peer")
    work.mkdir()
    files = [log / "events.parquet", log / "accounts.parquet", matrix, work, "--counts", ",".join(counts)]
    theirs = bench.measure("DuckDB + scikit-learn", peer("end", *files), 1)
    total = learn.seconds + score.seconds
    rows = [["pql train", duration(learn.seconds), size(learn.memory), ""], ["pql score", duration(score.seconds), size(score.memory), ""],
            ["pql, both", duration(total), size(max(learn.memory, score.memory)), ""],
            ["DuckDB + scikit-learn", duration(theirs.seconds), size(theirs.memory), times(theirs.seconds / total)],
            ["DuckDB alone", duration(theirs.answer["features"]), "", ""]]
    bench.goal("20 million events to a model and scores: speedup over DuckDB + scikit-learn", "1 ×", times(theirs.seconds / total), theirs.seconds > total)
    words = (f"{theirs.answer['train']:,} training rows, {theirs.answer['scored']:,} scored accounts. pql also evaluates the model on held-out rows, "
             "calibrates it, runs the leakage audit, and gives intervals, percentiles and reasons.")
    return [Table("From 20 million events to a model and scores", ["", "time", "peak memory", "time relative to pql"], rows, words)]
