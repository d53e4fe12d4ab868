"""Time and memory of all features, compared with DuckDB and Polars, and their growth with the log."""
from pathlib import Path

from measure import Bench, Table, duration, once, peer, say, size, times, warm

SETS = ["--set", 'features.windows=["7d","14d","28d"]', "--set", "features.event_types=10"]
# One cutoff at the end, for all accounts.
AT_THE_END = ["--set", "observation.cutoffs=snapshot", "--set", "observation.every=400d", "--set", "observation.horizon=1d"]
HEAD = ["", "time", "peak memory", "time relative to pql"]


def matrix(bench: Bench, log: Path, out: Path, *more) -> list:
    return [bench.pql, "features", "-c", log / "pql.toml", *SETS, *more, "-o", out, "--quiet"]


def without_conversions(bench: Bench, accounts: int = 200_000) -> Path:
    """The same log, in which no account converts or churns, so that no event is dropped."""
    log = bench.log(accounts)

    def make(folder: Path) -> None:
        (folder / "events.parquet").symlink_to(log.resolve() / "events.parquet")
        (folder / "pql.toml").write_text((log / "pql.toml").read_text())
        once(peer("make", "accounts", log / "accounts.parquet", folder / "accounts.parquet"))

    return bench.made(f"open{accounts}", make)


def run(bench: Bench) -> list[Table]:
    read = bench.measure("Polars reads four columns", peer("read", "columns", bench.log(200_000) / "events.parquet"))
    late = beside(bench, without_conversions(bench), AT_THE_END, read)
    early = beside(bench, bench.log(200_000), [], read)
    return [
        Table("Features: one cutoff at the end of the log", HEAD, late[0], late[1]),
        Table("Features: a cutoff 14 days after each sign-up", HEAD, early[0], early[1]),
    ]


def beside(bench: Bench, log: Path, more: list, read) -> tuple[list, str]:
    warm(log / "events.parquet", log / "accounts.parquet")
    ours = bench.out("features.parquet")
    pql = bench.measure("pql", matrix(bench, log, ours, *more))
    told = once(peer("check", "describe", ours, log / "events.parquet")).answer
    peers = {
        "Polars, staged": peer("features_polars"), "DuckDB, staged": peer("features_duckdb"),
        "Polars, direct": peer("features_polars_direct"), "DuckDB, direct": [*peer("features_duckdb"), "--direct"]}
    rows, found = [["pql", duration(pql.seconds), size(pql.memory), ""]], {}
    for name, command in peers.items():
        theirs = bench.out("peer.parquet")
        files = [log / "events.parquet", log / "accounts.parquet", ours, theirs]
        found[name] = bench.measure(name, [*command, *files, "--counts", ",".join(told["counts"])])
        worst = once(peer("check", "compare", ours, theirs)).answer
        if worst["distance"] > 1e-9:
            raise SystemExit(f"{name}: {worst['column']} differs by {worst['distance']}")
        rows.append([name, duration(found[name].seconds), size(found[name].memory), times(found[name].seconds / pql.seconds)])
    rows.append(["Polars: reading four columns", duration(read.seconds), size(read.memory), f"{read.seconds / pql.seconds:.2f} ×"])
    end = "end of the log" if more else "14 days after sign-up"
    for kind in ("direct", "staged"):
        slower = min(found[f"{peer} {kind}"].seconds for peer in ("Polars,", "DuckDB,")) / pql.seconds
        bench.goal(f"features, {end}: speedup over DuckDB and Polars, {kind}", "10 ×", times(slower), slower >= 10)
    least = min(found["Polars, staged"].memory, found["Polars, direct"].memory)
    bench.goal(f"features, {end}: peak memory", f"Polars' {size(least)}", size(pql.memory), pql.memory <= least)
    bench.goal(f"features, {end}: time relative to reading the columns", "4 ×", times(pql.seconds / read.seconds), pql.seconds <= 4 * read.seconds)
    say(f"  all equal to 1e-9 in {told['columns']} columns")
    return rows, (f"{told['events']:,} events, {told['seen']:,} of them before a cutoff; {told['rows']:,} rows; {told['columns']} features. "
                  f"All five results agree to 1e-9 relative to max(1, |value|).")


def in_order_of_time(bench: Bench, accounts: int = 200_000) -> Path:
    """The same log in time order, as a product writes it; a simulated log is grouped by account in chunks."""
    log = bench.log(accounts)

    def make(folder: Path) -> None:
        (folder / "accounts.parquet").symlink_to(log.resolve() / "accounts.parquet")
        (folder / "pql.toml").write_text((log / "pql.toml").read_text())
        once(peer("make", "sorted", log / "events.parquet", folder / "events.parquet"))

    return bench.made(f"sorted{accounts}", make)


def scaling(bench: Bench) -> list[Table]:
    rows, found = [], {}

    def grow(name: str, log: Path, runs: int = 3, limit: tuple = ()) -> None:
        out = bench.out("features.parquet")
        warm(log / "events.parquet", log / "accounts.parquet")
        run = bench.measure(name, matrix(bench, log, out, *limit), runs)
        millions = once(peer("check", "describe", out, log / "events.parquet")).answer["events"] / 1e6
        found[name] = run.seconds / millions, run.memory
        rows.append([f"{millions:.2f} million{name}", duration(run.seconds), size(run.memory), duration(run.seconds / millions),
                     size(int(run.memory / millions))])

    for accounts in (10_000, 50_000, 200_000):
        grow(f" of {bench.size(accounts, 1000):,} accounts", bench.log(accounts))
    whole = list(found)[-1]
    grow(", ordered by time", in_order_of_time(bench))
    if limit := ("--memory", "4GB") if bench.can("features", "--memory") else ():
        grow(", with `--memory 1GB`", in_order_of_time(bench), 3, ("--memory", "1GB"))
    grow(", the largest log", bench.log(1_000_000), 1, limit)
    growth, memory = found[", the largest log"][0] / found[whole][0], found[", the largest log"][1]
    bench.goal("features: time per event, 100 million relative to 20 million", "1 ×", f"{growth:.2f} ×", growth <= 1.1)
    bench.goal("features: peak memory for 100 million events", "4 GB", size(memory), memory <= 4e9)
    head = ["events", "time", "peak memory", "time per million", "memory per million"]
    return [Table("Features: from 1 to 100 million events", head, rows, "The largest log with `--memory 4GB`." if limit else "")]
