"""What do twelve weekly cutoffs for each account cost, against one: those in its first twelve weeks against the last of them?"""
import features
from measure import Bench, Table, duration, once, peer, size, times, warm


def run(bench: Bench) -> list[Table]:
    log = features.without_conversions(bench)
    warm(log / "events.parquet", log / "accounts.parquet")
    rows, seconds = [], []
    for name, youngest in (("one, in the twelfth week", "77d"), ("twelve weekly ones", "0d")):
        out = bench.out("features.parquet")
        sets = ["observation.at=snapshot", "observation.every=7d", "observation.horizon=7d", f"observation.min_age={youngest}", "observation.max_age=84d"]
        run = bench.measure(name, features.matrix(bench, log, out, *(word for key in sets for word in ("--set", key))))
        seconds.append(run.seconds)
        rows.append([name, f"{once(peer('check', 'describe', out, log / 'events.parquet')).answer['rows']:,}", duration(run.seconds), size(run.memory)])
    ratio = seconds[1] / seconds[0]
    bench.goal("twelve cutoffs for each account against one", "3 ×", times(ratio), ratio <= 3)
    return [Table("Snapshot cutoffs of each account", ["cutoffs", "rows", "time", "peak memory"], rows, "The log of 20 million events.")]
