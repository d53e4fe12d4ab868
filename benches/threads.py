"""Check that model and scores are identical on one and two threads, and measure the speedup."""
import end
from measure import Bench, Table, duration, once, peer, warm

ACCOUNTS = 20_000


def run(bench: Bench) -> list[Table]:
    log = bench.log(ACCOUNTS)
    warm(log / "events.parquet", log / "accounts.parquet")
    found, files = [], []
    for threads in (1, 2):
        models, scores = bench.out(f"models{threads}"), bench.out(f"scores{threads}.parquet")
        learn = bench.measure(f"train, {threads} threads", end.train(bench, log, models), 1, threads)
        command = [bench.pql, "score", "bench", "--models", models, "-c", log / "pql.toml", "-o", scores, "--quiet"]
        found.append((learn, bench.measure(f"score, {threads} threads", command, 3, threads)))
        files.append((models / "bench" / "0001" / "model.pql", scores))
    equal = all(once(peer("check", "equal", one, two)).answer["equal"] for one, two in zip(*files))
    bench.goal("model and scores on 1 and 2 threads", "identical", "identical" if equal else "different", equal)
    rows = [[name, duration(one.seconds), duration(two.seconds)] for name, one, two in zip(("pql train", "pql score"), *found)]
    return [Table("Threads: 2 million events", ["", "1 thread", "2 threads"], rows, "Model and scores are identical, byte for byte." if equal else "The bytes differ.")]
