"""The features of docs/reference/features.md for a simulated log, and the arguments of the scripts."""
import argparse
import json
import time

DAY = 86_400_000_000
GAP = 30 * 60 * 1_000_000
WINDOWS = [7, 14, 28]
LOGIN, VALUE, INVITE, LIMIT, HAND_RAISE, EXCLUDED = "login", "task_completed", "invite_sent", "limit_reached", "contact_sales", "invoice_paid"
# Velocities: a measure of the window and the same measure of the previous window.
VELOCITIES = {"events": "events", "logins": "logins", "users": "active_users", "breadth": "features_used"}


def arguments(**flags: str) -> argparse.Namespace:
    """Parses EVENTS ACCOUNTS OBSERVATIONS OUT, --counts a,b, and flags with their help."""
    parser = argparse.ArgumentParser()
    for name in ("events", "accounts", "observations", "out"):
        parser.add_argument(name)
    for flag, what in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=what)
    parser.add_argument("--counts", type=lambda text: [name for name in text.split(",") if name], default=[])
    return parser.parse_args()


def columns(counts: list[str]) -> list[str]:
    """Returns the names of the features, in the order of pql."""
    measures = ["events", "logins", "login_days", "active_days", "active_users", "features_used", "feature_entropy", "top_user_share",
                "sessions", "invites", "limit_hits", "hand_raises", *(f"{v}_velocity" for v in VELOCITIES), "events_trend",
                "seat_utilization", *(f"count_{name}" for name in counts), "sum_minutes"]
    lifetime = ["tenure_days", "events_total", "active_users_total", "features_used_total", "days_since_last_event",
                "days_since_last_login", "days_to_first_value"]
    return lifetime + [f"{measure}_{w}d" for w in sorted(WINDOWS, reverse=True) for measure in measures]


def age_of(days: int) -> int:
    """Returns the age in microseconds from which some days before the cutoff are days of the account; local days may have 23 hours."""
    return days * DAY - DAY // 24


def timed(work) -> None:
    """Prints the seconds of `work`, without imports, and the dict it returns, as JSON."""
    start = time.perf_counter()
    more = work()
    print(json.dumps({"seconds": time.perf_counter() - start, **(more or {})}))
