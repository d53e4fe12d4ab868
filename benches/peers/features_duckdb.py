"""The feature matrix of docs/reference/features.md in DuckDB.

    python features_duckdb.py EVENTS ACCOUNTS OBSERVATIONS OUT --counts login,search_used [--direct]

Counts by account and event name, by account and user, by account and day come first; distinct counts, entropy, shares and trends are
sums over those small tables. With --direct each measure is a filtered aggregate of one GROUP BY, as it reads in the documentation.
"""
import duckdb

from matrix import DAY, EXCLUDED, GAP, HAND_RAISE, INVITE, LIMIT, LOGIN, VALUE, VELOCITIES, WINDOWS, age_of, arguments, columns, timed

EDGES = sorted({*WINDOWS, *(2 * w for w in WINDOWS)})


def listed(lines) -> str:
    return ",\n    ".join(lines)


def seen(args) -> str:
    """Returns the events before the cutoff of their account, `u` µs before it. A session begins after 30 minutes without the same user."""
    return f"""
  SELECT account_id, user_id, event, minutes, u, since, (u - 1) // {DAY} AS day,
         coalesce(lag(u) OVER (PARTITION BY account_id, user_id ORDER BY u DESC) - u >= {GAP}, true) AS starts
  FROM (SELECT account_id, user_id, event, minutes, epoch_us(cutoff) - epoch_us(timestamp) AS u,
               greatest(epoch_us(timestamp) - epoch_us(signed_up_at), 0) AS since
        FROM '{args.events}' JOIN observed USING (account_id) WHERE event <> '{EXCLUDED}' AND timestamp < cutoff)"""


def by_event(counts: list[str]) -> str:
    small = [f"count(*) FILTER (u <= {w * DAY}) AS n_{w}" for w in EDGES] + [f"sum(minutes) FILTER (u <= {w * DAY}) AS minutes_{w}" for w in WINDOWS]
    wide = ["sum(n) AS events_total", "count(*) AS features_used_total", "min(last) AS last", f"min(last) FILTER (event = '{LOGIN}') AS last_login",
            f"min(since) FILTER (event = '{VALUE}') AS first_value"]
    for w in WINDOWS:
        now, before = f"n_{w}", f"(n_{2 * w} - n_{w})"
        of = lambda name, n=now: f"sum({n}) FILTER (event = '{name}')"
        wide += [f"sum({now}) AS events_{w}", f"sum({before}) AS events_before_{w}", f"{of(LOGIN)} AS logins_{w}",
                 f"{of(LOGIN, before)} AS logins_before_{w}", f"count(*) FILTER ({now} > 0) AS features_used_{w}",
                 f"count(*) FILTER ({before} > 0) AS features_used_before_{w}", f"{of(INVITE)} AS invites_{w}", f"{of(LIMIT)} AS limit_hits_{w}",
                 f"{of(HAND_RAISE)} AS hand_raises_{w}", f"sum({now} * ln({now})) FILTER ({now} > 0) AS n_ln_n_{w}",
                 f"sum(minutes_{w}) AS sum_minutes_{w}", *(f"{of(name)} AS count_{name}_{w}" for name in counts)]
    return f"""
  SELECT account_id, {listed(wide)} FROM (
    SELECT account_id, event, count(*) AS n, min(u) AS last, min(since) AS since, {listed(small)} FROM seen GROUP BY account_id, event)
  GROUP BY account_id"""


def by_user() -> str:
    """Also counts sessions; events without a user form one stream."""
    small = [f"count(*) FILTER (u <= {w * DAY}) AS n_{w}" for w in EDGES]
    small += [f"count(*) FILTER (starts AND u <= {w * DAY}) AS starts_{w}" for w in WINDOWS]
    wide = ["count(user_id) AS active_users_total"]
    for w in WINDOWS:
        now, before = f"n_{w}", f"(n_{2 * w} - n_{w})"
        wide += [f"sum(starts_{w}) AS sessions_{w}", f"count(user_id) FILTER ({now} > 0) AS active_users_{w}",
                 f"count(user_id) FILTER ({before} > 0) AS active_users_before_{w}",
                 f"max({now}) FILTER (user_id IS NOT NULL) / nullif(sum({now}) FILTER (user_id IS NOT NULL), 0) AS top_user_share_{w}"]
    return f"""
  SELECT account_id, {listed(wide)} FROM (SELECT account_id, user_id, {listed(small)} FROM seen GROUP BY account_id, user_id)
  GROUP BY account_id"""


def by_day() -> str:
    wide = []
    for w in WINDOWS:
        wide += [f"count(*) FILTER (day < {w}) AS active_days_{w}", f"count(*) FILTER (day < {w} AND logins > 0) AS login_days_{w}",
                 f"sum(({(w - 1) / 2} - day) * n) FILTER (day < {w}) AS slope_{w}"]
    return f"""
  SELECT account_id, {listed(wide)} FROM (
    SELECT account_id, day, count(*) AS n, count(*) FILTER (event = '{LOGIN}') AS logins FROM seen WHERE day < {max(WINDOWS)} GROUP BY account_id, day)
  GROUP BY account_id"""


def direct(counts: list[str]) -> list[tuple[str, str]]:
    wide = ["count(*) AS events_total", "count(DISTINCT user_id) AS active_users_total", "count(DISTINCT event) AS features_used_total",
            "min(u) AS last", f"min(u) FILTER (event = '{LOGIN}') AS last_login", f"min(since) FILTER (event = '{VALUE}') AS first_value"]
    parts = []
    for w in WINDOWS:
        now, before = f"u <= {w * DAY}", f"u > {w * DAY} AND u <= {2 * w * DAY}"
        of = lambda name, span=now: f"count(*) FILTER ({span} AND event = '{name}')"
        distinct = lambda key, span: f"count(DISTINCT {key}) FILTER ({span})"
        wide += [f"count(*) FILTER ({now}) AS events_{w}", f"count(*) FILTER ({before}) AS events_before_{w}", f"{of(LOGIN)} AS logins_{w}",
                 f"{of(LOGIN, before)} AS logins_before_{w}", f"{distinct('day', now)} AS active_days_{w}",
                 distinct("day", f"{now} AND event = '{LOGIN}'") + f" AS login_days_{w}",
                 f"{distinct('event', now)} AS features_used_{w}", f"{distinct('event', before)} AS features_used_before_{w}",
                 f"{distinct('user_id', now)} AS active_users_{w}", f"{distinct('user_id', before)} AS active_users_before_{w}",
                 f"count(*) FILTER ({now} AND starts) AS sessions_{w}", f"{of(INVITE)} AS invites_{w}", f"{of(LIMIT)} AS limit_hits_{w}",
                 f"{of(HAND_RAISE)} AS hand_raises_{w}", f"sum({(w - 1) / 2} - day) FILTER ({now}) AS slope_{w}",
                 f"sum(minutes) FILTER ({now}) AS sum_minutes_{w}", *(f"{of(name)} AS count_{name}_{w}" for name in counts)]
        group = lambda key: f"SELECT account_id, count(*) AS n FROM seen WHERE {now} AND {key} IS NOT NULL GROUP BY account_id, {key}"
        parts += [(f"by_event_{w}", f"SELECT account_id, sum(n * ln(n)) AS n_ln_n_{w} FROM ({group('event')}) GROUP BY account_id"),
                  (f"by_user_{w}", f"SELECT account_id, max(n) / sum(n) AS top_user_share_{w} FROM ({group('user_id')}) GROUP BY account_id")]
    return [("wide", f"SELECT account_id, {listed(wide)} FROM seen GROUP BY account_id"), *parts]


def finished(counts: list[str]) -> list[str]:
    zero = lambda name: f"coalesce({name}, 0)::DOUBLE"
    of_age = lambda days, value: f"CASE WHEN epoch_us(cutoff) - epoch_us(signed_up_at) >= {age_of(days)} THEN {value} END"
    named = {"tenure_days": f"(epoch_us(cutoff) - epoch_us(signed_up_at)) / {DAY}.0", "days_since_last_event": f"last / {DAY}.0",
             "days_since_last_login": f"last_login / {DAY}.0", "days_to_first_value": f"first_value / {DAY}.0"}
    for w in WINDOWS:
        named[f"feature_entropy_{w}d"] = f"CASE WHEN events_{w} > 0 THEN ln(events_{w}) - n_ln_n_{w} / events_{w} ELSE 0.0 END"
        named[f"top_user_share_{w}d"] = f"top_user_share_{w}"
        for velocity, name in VELOCITIES.items():
            named[f"{velocity}_velocity_{w}d"] = of_age(2 * w, f"ln(({zero(f'{name}_{w}')} + 1) / ({zero(f'{name}_before_{w}')} + 1))")
        named[f"events_trend_{w}d"] = of_age(w, f"{zero(f'slope_{w}')} / {(w**3 - w) / 12}")
        named[f"seat_utilization_{w}d"] = f"CASE WHEN seats > 0 THEN {zero(f'active_users_{w}')} / seats END"
    inner = lambda name: name.removesuffix("d") if name[-2].isdigit() else name
    return [f"{named.get(name) or zero(inner(name))} AS {name}" for name in columns(counts)]


def query(args) -> str:
    parts = direct(args.counts) if args.direct else [("by_event", by_event(args.counts)), ("by_user", by_user()), ("by_day", by_day())]
    tables = listed(f"{name} AS ({text})" for name, text in parts)
    joins = "\n".join(f"LEFT JOIN {name} USING (account_id)" for name, _ in parts)
    return f"""COPY (
WITH observed AS (SELECT account_id, cutoff, signed_up_at, seats FROM '{args.observations}' JOIN '{args.accounts}' USING (account_id)),
seen AS MATERIALIZED ({seen(args)}),
{tables}
SELECT account_id, cutoff, {listed(finished(args.counts))}
FROM observed {joins}) TO '{args.out}' (FORMAT parquet)"""


if __name__ == "__main__":
    args = arguments(direct="as it reads in the documentation")
    timed(lambda: duckdb.connect().execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET memory_limit = '8GB'; " + query(args)) and None)
