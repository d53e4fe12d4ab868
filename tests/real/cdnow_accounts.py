"""Account list for cdnow.toml: sign-up = first purchase, converted = first purchase on or after 1997-10-01.

    python cdnow_accounts.py CDNOW_master.csv cdnow_accounts.made.csv
"""
import csv
import sys

first, again = {}, {}
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        account, date = row["customer_id"], row["date"]
        first[account] = min(first.get(account, date), date)
        if date >= "19971001":
            again[account] = min(again.get(account, date), date)
with open(sys.argv[2], "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["customer_id", "signed_up_at", "converted_at"])
    out.writerows([account, date, again.get(account, "")] for account, date in sorted(first.items()))
