"""Time of the search for PQL definitions among 50 event types."""
from pathlib import Path

from measure import Bench, Table, duration, once, peer, size, warm

PROJECT = """[[events]]
path = "events.parquet"
account = "account_id"
user = "user_id"

[accounts]
path = "accounts.parquet"
signed_up = "signed_up_at"
converted = "converted_at"
churned = "churned_at"

[observation]
cutoffs = "age"
age = "14d"
horizon = "30d"
"""


def many_names(bench: Bench) -> Path:
    """The log without invoices; each event name alternates among three names."""
    log = bench.log(200_000)

    def make(folder: Path) -> None:
        (folder / "accounts.parquet").symlink_to(log.resolve() / "accounts.parquet")
        (folder / "pql.toml").write_text(PROJECT)
        once(peer("make", "names", log / "events.parquet", folder / "events.parquet"))

    return bench.made("names200000", make)


def run(bench: Bench) -> list[Table]:
    log = many_names(bench)
    warm(log / "events.parquet", log / "accounts.parquet")
    found = bench.measure("pql discover", [bench.pql, "discover", "-c", log / "pql.toml", "--quiet"])
    bench.goal("discover: 20 million events of 50 types", "30 s", duration(found.seconds), found.seconds <= 30)
    return [Table("Discovery of PQL definitions", ["", "time", "peak memory"], [["pql discover", duration(found.seconds), size(found.memory)]],
                  "20 million events of 200,000 accounts and 50 types; five landmarks, all thresholds, pairs of the 20 best rules.")]
