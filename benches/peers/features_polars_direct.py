"""The feature matrix of docs/reference/features.md in Polars, each measure a filtered aggregation of one group_by: as it reads in the documentation.

    python features_polars_direct.py EVENTS ACCOUNTS OBSERVATIONS OUT --counts login,search_used
"""
import polars as pl

from matrix import DAY, EXCLUDED, GAP, HAND_RAISE, INVITE, LIMIT, LOGIN, VALUE, VELOCITIES, WINDOWS, age_of, arguments, columns, timed

u, user, event, day = pl.col("u"), pl.col("user_id"), pl.col("event"), pl.col("day")
KEYS = ["account_id", "cutoff"]


def seen(args) -> pl.LazyFrame:
    """Returns the events before the cutoff of their account, `u` µs before it."""
    accounts = pl.scan_parquet(args.accounts).select("account_id", "signed_up_at")
    rows = pl.scan_parquet(args.observations).select(KEYS).join(accounts, on="account_id")
    micros = (pl.col("cutoff") - pl.col("timestamp")).dt.total_microseconds()
    people = [*KEYS, "user_id"]
    goes_on = pl.col("timestamp") - pl.col("timestamp").shift() < pl.duration(microseconds=GAP)
    return (pl.scan_parquet(args.events).filter(event != EXCLUDED)
            .join(rows, on="account_id").filter(pl.col("timestamp") < pl.col("cutoff"))
            .with_columns(u=micros, day=(micros - 1) // DAY, since=(pl.col("timestamp") - pl.col("signed_up_at")).dt.total_microseconds().clip(0))
            .sort(*people, "timestamp")
            .with_columns(start=~goes_on.over(people).fill_null(False)))


def measures(w: int, counts: list[str]) -> list[pl.Expr]:
    now, before = u <= w * DAY, (u > w * DAY) & (u <= 2 * w * DAY)
    of = lambda name: (now & (event == name)).sum()
    named = {
        "events": now.sum(), "events_before": before.sum(), "logins": of(LOGIN), "logins_before": (before & (event == LOGIN)).sum(),
        "login_days": day.filter(now & (event == LOGIN)).n_unique(), "active_days": day.filter(now).n_unique(),
        "active_users": user.filter(now & user.is_not_null()).n_unique(), "active_users_before": user.filter(before & user.is_not_null()).n_unique(),
        "features_used": event.filter(now).n_unique(), "features_used_before": event.filter(before).n_unique(),
        "sessions": (now & pl.col("start")).sum(), "invites": of(INVITE), "limit_hits": of(LIMIT), "hand_raises": of(HAND_RAISE),
        "slope": ((w - 1) / 2 - day).filter(now).sum(), "sum_minutes": pl.col("minutes").filter(now).sum(),
        **{f"count_{name}": of(name) for name in counts}}
    return [expression.alias(f"{name}_{w}") for name, expression in named.items()]


def shares(log: pl.LazyFrame, w: int) -> list[pl.LazyFrame]:
    """Returns the entropy over event types and the share of the most active user."""
    of = lambda key: log.filter((u <= w * DAY) & pl.col(key).is_not_null()).group_by(*KEYS, key).agg(n=pl.len())
    share = pl.col("n") / pl.col("n").sum()
    return [of("event").group_by(KEYS).agg((-(share * share.log()).sum()).alias(f"feature_entropy_{w}")),
            of("user_id").group_by(KEYS).agg(share.max().alias(f"top_user_share_{w}"))]


def main(args) -> None:
    log = seen(args)
    wide = [pl.len().alias("events_total"), user.drop_nulls().n_unique().alias("active_users_total"), event.n_unique().alias("features_used_total"),
            u.min().alias("last"), u.filter(event == LOGIN).min().alias("last_login"), pl.col("since").filter(event == VALUE).min().alias("first_value")]
    table = log.group_by(KEYS).agg(wide + [m for w in WINDOWS for m in measures(w, args.counts)])
    for part in [part for w in WINDOWS for part in shares(log, w)]:
        table = table.join(part, on=KEYS, how="left")
    accounts = pl.scan_parquet(args.accounts).select("account_id", "signed_up_at", "seats")
    rows = pl.scan_parquet(args.observations).select(KEYS).join(accounts, on="account_id", how="left")
    finished(rows.join(table, on=KEYS, how="left"), args.counts).sink_parquet(args.out, engine="streaming")


def finished(table: pl.LazyFrame, counts: list[str]) -> pl.LazyFrame:
    zero = lambda name: pl.col(name).fill_null(0).cast(pl.Float64)
    days = lambda name: pl.col(name) / DAY
    age = (pl.col("cutoff") - pl.col("signed_up_at")).dt.total_microseconds()
    of_age = lambda days, value: pl.when(age >= age_of(days)).then(value)
    named = {"tenure_days": age / DAY, "days_since_last_event": days("last"),
             "days_since_last_login": days("last_login"), "days_to_first_value": days("first_value")}
    for w in WINDOWS:
        named[f"top_user_share_{w}d"] = pl.col(f"top_user_share_{w}")
        for velocity, name in VELOCITIES.items():
            named[f"{velocity}_velocity_{w}d"] = of_age(2 * w, ((zero(f"{name}_{w}") + 1) / (zero(f"{name}_before_{w}") + 1)).log())
        named[f"events_trend_{w}d"] = of_age(w, zero(f"slope_{w}") / ((w**3 - w) / 12))
        named[f"seat_utilization_{w}d"] = pl.when(pl.col("seats") > 0).then(zero(f"active_users_{w}") / pl.col("seats"))
    expression = lambda name: named[name] if name in named else zero(name.removesuffix("d") if name[-2].isdigit() else name)
    return table.select(*KEYS, *(expression(name).alias(name) for name in columns(counts)))


if __name__ == "__main__":
    args = arguments()
    timed(lambda: main(args))
