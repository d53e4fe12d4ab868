"""Simulates and trains with seeds 1 to 20, and prints the table of README.md.

usage: python3 seeds.py PQL
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SEEDS = range(1, 21)


def train(pql: str, seed: int) -> dict:
    """Returns the model card of a model of one simulated log."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([pql, "simulate", "-o", folder, "--seed", str(seed), "--quiet"], check=True)
        config, models = f"{folder}/pql.toml", f"{folder}/models"
        command = [pql, "train", "-c", config, "--name", "demo", "--models", models, "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(models, "demo", "0001", "model.json").read_text())


def cell(difference: dict) -> str:
    interval = difference["interval"]
    text = f"{difference['difference']:+.3f} ({interval['low']:+.3f} to {interval['high']:+.3f})"
    return text.replace("-", "−")


def main(pql: str) -> None:
    cards = [(seed, train(pql, seed)) for seed in SEEDS]
    # Base rate, best single feature and best definition, in this order.
    rows = [(seed, card, [baseline["difference"] for baseline in card["baselines"]]) for seed, card in cards]
    rows.sort(key=lambda row: row[2][0]["difference"])
    median = len(rows) // 2
    names = ["base rate", "best single feature", "best definition"]
    print("| seed | test conversions | ROC AUC |", " | ".join(f"{name} (95% CI)" for name in names), "|")
    print("|" + "---|" * 6)
    for place, (seed, card, differences) in enumerate(rows):
        conversions = str(card["test"]["converting_accounts"])
        auc = f"{card['evaluation']['roc_auc']['value']:.2f}"
        cells = [str(seed), conversions, auc, *map(cell, differences)]
        if place == median:
            cells = [f"**{text}**" for text in cells]
        print("|", " | ".join(cells), "|")
    better = sum(all(d["interval"]["high"] < 0 for d in differences) for _, _, differences in rows)
    print(f"\nBetter than all baselines: {better} of {len(rows)} seeds. Chosen seed: {rows[median][0]}")
    for seed, card, _ in rows:
        codes = [message["code"] for message in card["warnings"] + card["findings"]]
        if codes:
            print(f"Seed {seed} has warnings: {', '.join(codes)}")


if __name__ == "__main__":
    main(sys.argv[1])
