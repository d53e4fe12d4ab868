"""Time of twelve weekly cutoffs per account, compared with the last of them alone."""
import features
from measure import Bench, Table, duration, once, peer, size, times, warm


def run(bench: Bench) -> list[Table]:
    log = features.without_conversions(bench)
    warm(log / "events.parquet", log / "accounts.parquet")
    rows, seconds = [], []
    for name, youngest in (("one, in week 12", "77d"), ("twelve, weekly", "0d")):
        out = bench.out("features.parquet")
        sets = ["observation.cutoffs=snapshot", "observation.every=7d", "observation.horizon=7d", f"observation.min_age={youngest}", "observation.max_age=84d"]
        run = bench.measure(name, features.matrix(bench, log, out, *(word for key in sets for word in ("--set", key))))
        seconds.append(run.seconds)
        rows.append([name, f"{once(peer('check', 'describe', out, log / 'events.parquet')).answer['rows']:,}", duration(run.seconds), size(run.memory)])
    ratio = seconds[1] / seconds[0]
    bench.goal("twelve cutoffs per account: time relative to one", "3 ×", times(ratio), ratio <= 3)
    return [Table("Snapshot cutoffs per account", ["cutoffs", "rows", "time", "peak memory"], rows, "A log of 20 million events.")]
