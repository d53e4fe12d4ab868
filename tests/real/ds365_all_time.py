"""Create a matrix of ds365 with leakage: usage over all time, including after the predicted purchase.

    python ds365_all_time.py FOLDER_OF_DS365 ds365_all_time.made.csv
"""
import csv
import sys
from pathlib import Path

folder = Path(sys.argv[1])


def rows(name):
    with open(folder / f"365_student_{name}.csv", newline="") as file:
        yield from csv.DictReader(file)


totals = {row["student_id"]: {"minutes": 0.0, "days": 0, "exams": 0, "purchased": 0} for row in rows("info")}
for row in rows("learning"):
    totals[row["student_id"]]["minutes"] += float(row["minutes_watched"])
for row in rows("engagement"):
    totals[row["student_id"]]["days"] += 1
for row in rows("exams"):
    totals[row["student_id"]]["exams"] += 1
for row in rows("purchases"):
    totals[row["student_id"]]["purchased"] = 1
with open(sys.argv[2], "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["account_id", "minutes", "days", "exams", "purchased"])
    out.writerows([account, round(t["minutes"], 1), t["days"], t["exams"], t["purchased"]] for account, t in totals.items())
