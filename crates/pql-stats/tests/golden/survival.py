"""Create survival.json, the expected numbers of funnel.rs.

    python survival.py

Kaplan-Meier shares with Greenwood's variance and intervals in ln(-ln S): lifelines. Wilson's interval: statsmodels. Interval of the
ratio of two shares (Katz): scipy.
Needs: pip install lifelines scipy statsmodels
"""
import json
import pathlib

import numpy as np
from lifelines import KaplanMeierFitter
from scipy.stats.contingency import relative_risk
from statsmodels.stats.proportion import proportion_confint

HERE = pathlib.Path(__file__).parent
AT = [0, 1, 7, 14, 30, 90]


def curve(seed, n, scale, days, whole):
    """Follow-up times in days, whether each ended with the event, and the estimates of lifelines at some days."""
    rng = np.random.default_rng(seed)
    until, there = rng.uniform(0, days, n), rng.exponential(scale, n)
    if whole:
        until, there = np.floor(until), np.floor(there)
    time, event = np.minimum(until, there), there <= until
    fit = KaplanMeierFitter().fit(time, event)
    bounds = fit.confidence_interval_survival_function_
    at = []
    for day in AT:
        share = 1 - float(fit.predict(day))
        row = bounds[bounds.index <= day].iloc[-1]
        known = bool((time >= day).any()) or share == 1
        inside = known and 0 < share < 1
        at.append({
            "day": day,
            "at_risk": int((time >= day).sum()),
            "share": share if known else None,
            "interval": [1 - float(row.iloc[1]), 1 - float(row.iloc[0])] if inside else None,
        })
    return {"followed": [[float(t), bool(e)] for t, e in zip(time, event)], "at": at}


curves = [curve(1, 9, 10, 40, True), curve(2, 60, 25, 60, True), curve(3, 500, 40, 120, False), curve(4, 2000, 400, 200, True)]
wilson = [[k, n, list(proportion_confint(k, n, method="wilson"))] for k, n in [(0, 7), (3, 11), (11, 11), (52, 400), (1, 9000)]]
ratios = []
for a, n, b, m in [(12, 60, 9, 300), (1, 8, 2, 70), (40, 90, 55, 1000)]:
    risk = relative_risk(a, n, b, m)
    ratios.append([a, n, b, m, [risk.relative_risk, *risk.confidence_interval(0.95)]])
json.dump({"curves": curves, "wilson": wilson, "ratios": ratios}, open(HERE / "survival.json", "w"), indent=0)
