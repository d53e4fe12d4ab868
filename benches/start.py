"""Time of `pql-score` on an empty batch, and sizes of the programs."""
import statistics

import score
from measure import Bench, Table, duration, once, peer, say, size

RUNS = 20


def run(bench: Bench) -> list[Table]:
    folder = score.matrix(bench, 50_000)
    empty = folder / "empty.parquet"
    once(peer("make", "empty", folder / "matrix.parquet", empty))
    program = bench.pql.with_name("pql-score")
    command = [*score.scoring(bench, folder, [program]), empty]
    runs = [once(command) for _ in range(RUNS)]
    median = statistics.median(run.seconds for run in runs)
    say(f"  pql-score: {duration(median)}")
    bench.goal("pql-score on an empty batch", "50 ms", duration(median), median <= 0.05)
    rows = [["pql-score on an empty batch", duration(median)], ["peak memory", size(max(run.memory for run in runs))]]
    rows += [[f"size of {path.name}", size(path.stat().st_size)] for path in (bench.pql, program)]
    return [Table("Start", ["", ""], rows, f"The median of {RUNS} runs.")]
