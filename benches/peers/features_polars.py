"""The feature matrix of docs/reference/features.md in Polars, with the streaming engine.

    python features_polars.py EVENTS ACCOUNTS OBSERVATIONS OUT --counts login,search_used

Counts by account and event name, by account and user, by account and day come first; distinct counts, entropy, shares and trends are
sums over those small tables. An account's number stands for its name, so that groups are found by a number.
"""
import polars as pl

from matrix import DAY, EXCLUDED, GAP, HAND_RAISE, INVITE, LIMIT, LOGIN, VALUE, VELOCITIES, WINDOWS, age_of, arguments, columns, timed

EDGES = sorted({*WINDOWS, *(2 * w for w in WINDOWS)})
u, n = pl.col("u"), pl.col("n")


def within(days: int) -> pl.Expr:
    return u <= days * DAY


def seen(args) -> pl.LazyFrame:
    """Returns the events before the cutoff of their account, `u` µs before it."""
    accounts = pl.scan_parquet(args.accounts).select("account_id", "signed_up_at", "seats")
    rows = pl.scan_parquet(args.observations).select("account_id", "cutoff").with_row_index("row").join(accounts, on="account_id")
    events = pl.scan_parquet(args.events).filter(pl.col("event") != EXCLUDED)
    micros = lambda name: pl.col(name).dt.epoch("us")
    return (events.join(rows.select("row", "account_id", "cutoff", "signed_up_at"), on="account_id")
            .filter(pl.col("timestamp") < pl.col("cutoff"))
            .select("row", "user_id", "event", "minutes", u=micros("cutoff") - micros("timestamp"),
                    since=(micros("timestamp") - micros("signed_up_at")).clip(0)))


def counts_within() -> list[pl.Expr]:
    return [within(w).sum().alias(f"n_{w}") for w in EDGES]


def now_and_before(days: int) -> tuple[pl.Expr, pl.Expr]:
    """Returns counts of a window and of the previous one."""
    return pl.col(f"n_{days}"), pl.col(f"n_{2 * days}") - pl.col(f"n_{days}")


def by_event(seen: pl.LazyFrame, counts: list[str]) -> pl.LazyFrame:
    small = seen.group_by("row", "event").agg(
        pl.len().alias("n"), *counts_within(), u.min().alias("last"), pl.col("since").min(),
        *(pl.col("minutes").filter(within(w)).sum().alias(f"minutes_{w}") for w in WINDOWS))
    event = pl.col("event")
    wide = [n.sum().alias("events_total"), pl.len().alias("features_used_total"), pl.col("last").min().alias("last"),
            pl.col("last").filter(event == LOGIN).min().alias("last_login"), pl.col("since").filter(event == VALUE).min().alias("first_value")]
    for w in WINDOWS:
        k, before = now_and_before(w)
        of = lambda name, k=k: k.filter(event == name).sum()
        wide += [k.sum().alias(f"events_{w}"), before.sum().alias(f"events_before_{w}"), of(LOGIN).alias(f"logins_{w}"),
                 before.filter(event == LOGIN).sum().alias(f"logins_before_{w}"), (k > 0).sum().alias(f"features_used_{w}"),
                 (before > 0).sum().alias(f"features_used_before_{w}"), of(INVITE).alias(f"invites_{w}"), of(LIMIT).alias(f"limit_hits_{w}"),
                 of(HAND_RAISE).alias(f"hand_raises_{w}"), (k * k.log()).filter(k > 0).sum().alias(f"k_ln_k_{w}"),
                 pl.col(f"minutes_{w}").sum().alias(f"sum_minutes_{w}"), *(of(name).alias(f"count_{name}_{w}") for name in counts)]
    return small.group_by("row").agg(wide)


def by_user(seen: pl.LazyFrame) -> pl.LazyFrame:
    small = seen.filter(pl.col("user_id").is_not_null()).group_by("row", "user_id").agg(pl.len().alias("n"), *counts_within())
    wide = [pl.len().alias("active_users_total")]
    for w in WINDOWS:
        k, before = now_and_before(w)
        wide += [(k > 0).sum().alias(f"active_users_{w}"), (before > 0).sum().alias(f"active_users_before_{w}"),
                 k.max().alias(f"top_{w}"), k.sum().alias(f"named_{w}")]
    return small.group_by("row").agg(wide)


def by_day(seen: pl.LazyFrame) -> pl.LazyFrame:
    day = ((u - 1) // DAY).cast(pl.Int32).alias("day")
    small = seen.filter(within(max(WINDOWS))).group_by("row", day).agg(pl.len().alias("n"), (pl.col("event") == LOGIN).sum().alias("logins"))
    day, wide = pl.col("day"), []
    for w in WINDOWS:
        inside = day < w
        wide += [inside.sum().alias(f"active_days_{w}"), (inside & (pl.col("logins") > 0)).sum().alias(f"login_days_{w}"),
                 (((w - 1) / 2 - day) * n).filter(inside).sum().alias(f"slope_{w}")]
    return small.group_by("row").agg(wide)


def sessions(seen: pl.LazyFrame) -> pl.LazyFrame:
    """Counts sessions: an event begins one if it follows none of the same user and account within 30 minutes."""
    ordered = seen.select("row", "user_id", "u").sort("row", "user_id", "u", descending=[False, False, True])
    row, user = pl.col("row"), pl.col("user_id")
    goes_on = (row == row.shift()) & user.eq_missing(user.shift()) & (u.shift() - u < GAP)
    starts = ordered.filter(~goes_on.fill_null(False))
    return starts.group_by("row").agg(within(w).sum().alias(f"sessions_{w}") for w in WINDOWS)


def finish(args, parts: list[pl.DataFrame]) -> pl.LazyFrame:
    accounts = pl.scan_parquet(args.accounts).select("account_id", "signed_up_at", "seats")
    table = pl.scan_parquet(args.observations).select("account_id", "cutoff").with_row_index("row").join(accounts, on="account_id", how="left")
    for part in parts:
        table = table.join(part.lazy(), on="row", how="left")
    zero = lambda name: pl.col(name).fill_null(0).cast(pl.Float64)
    age = (pl.col("cutoff") - pl.col("signed_up_at")).dt.total_microseconds()
    of_age = lambda days, value: pl.when(age >= age_of(days)).then(value)
    named = {"tenure_days": age / DAY,
             "days_since_last_event": pl.col("last") / DAY, "days_since_last_login": pl.col("last_login") / DAY,
             "days_to_first_value": pl.col("first_value") / DAY}
    named |= {name: zero(name) for name in ("events_total", "active_users_total", "features_used_total")}
    plain = ["events", "logins", "login_days", "active_days", "active_users", "features_used", "sessions", "invites", "limit_hits",
             "hand_raises", "sum_minutes", *(f"count_{name}" for name in args.counts)]
    for w in WINDOWS:
        named |= {f"{name}_{w}d": zero(f"{name}_{w}") for name in plain}
        events = zero(f"events_{w}")
        entropy = events.log() - pl.col(f"k_ln_k_{w}") / events
        named[f"feature_entropy_{w}d"] = pl.when(events > 0).then(entropy).otherwise(0.0)
        named[f"top_user_share_{w}d"] = pl.when(pl.col(f"named_{w}") > 0).then(pl.col(f"top_{w}") / pl.col(f"named_{w}"))
        for velocity, name in VELOCITIES.items():
            now, before = zero(f"{name}_{w}"), zero(f"{name}_before_{w}")
            named[f"{velocity}_velocity_{w}d"] = of_age(2 * w, ((now + 1) / (before + 1)).log())
        named[f"events_trend_{w}d"] = of_age(w, zero(f"slope_{w}") / ((w**3 - w) / 12))
        named[f"seat_utilization_{w}d"] = pl.when(pl.col("seats") > 0).then(zero(f"active_users_{w}") / pl.col("seats"))
    return table.select("account_id", "cutoff", *(named[name].alias(name) for name in columns(args.counts)))


def main(args) -> None:
    log = seen(args).collect(engine="streaming").lazy()
    parts = [by_event(log, args.counts), by_user(log), by_day(log), sessions(log)]
    finish(args, pl.collect_all(parts, engine="streaming")).sink_parquet(args.out)


if __name__ == "__main__":
    args = arguments()
    timed(lambda: main(args))
