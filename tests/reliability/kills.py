"""Kill pql while it writes, and run it many times at once: count what is lost, torn or doubled.

    python3 tests/reliability/kills.py PQL [--kills 300] [--calls 60] [--processes 24]

Kills come at random times and, with strace, at each of the first `--calls` system calls that change
a file.
"""
import argparse
import http.server
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter

import pyarrow.compute as pc
import pyarrow.parquet as pq

PROJECT = """[[events]]
path = "events.parquet"

[accounts]
path = "accounts.parquet"
attributes = ["industry"]

[observation]
cutoffs = "snapshot"
horizon = "14d"

[features]
windows = ["7d"]
event_types = 3
"""
# System calls that change files.
CALLS = ["openat", "write", "pwrite64", "rename", "renameat2", "mkdir", "unlink", "unlinkat", "rmdir", "fsync", "fdatasync", "ftruncate",
         "fallocate", "fchmod", "flock"]


class Webhook(http.server.BaseHTTPRequestHandler):
    """Accepts alerts and counts them by key."""
    keys: Counter = Counter()

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys[self.headers["Idempotency-Key"]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Bench:
    """A folder with a log, a model and two runs in a ledger."""

    def __init__(self, pql: pathlib.Path, folder: pathlib.Path):
        self.pql, self.folder = pql, folder
        self.run("simulate", "-q", "-o", ".", "--accounts", "300", "--seed", "1")
        (folder / "pql.toml").write_text(PROJECT)
        self.run("train", "--name", "t", "--set", "model.min_conversions=5")
        self.days = self.score_days()
        for day in self.days:
            self.run("score", "t", "--at", day, "--ledger", "led")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.webhook = f"http://127.0.0.1:{self.server.server_port}/"

    def score_days(self) -> list[str]:
        """Return two days at which accounts are scored."""
        table = pq.read_table(self.folder / "events.parquet", columns=["timestamp"])
        last = pc.max(table["timestamp"]).as_py()
        return [time.strftime("%Y-%m-%d", time.gmtime(last.timestamp() - days * 86_400)) for days in (30, 2)]

    def command(self, *args: str) -> list[str]:
        return [str(self.pql), *args]

    def run(self, *args: str) -> str:
        done = subprocess.run(self.command(*args), cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{args}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def tasks(self) -> dict[str, list[str]]:
        """Return the commands that write."""
        return {
            "ingest": ["ingest", "-o", "out"],
            "features": ["features", "-o", "features.parquet"],
            "train": ["train", "--name", "t", "--promote", "--set", "model.min_conversions=5"],
            "score": ["score", "t/0001", "--at", self.days[1], "--ledger", "led", "-o", "scores.csv"],
            "alerts": ["alerts", "t", "--ledger", "led", "--webhook", self.webhook, "--max", "1000"],
        }

    def forget_alerts(self) -> None:
        """Remove the record of sent alerts."""
        for path in self.folder.glob("led/*/*"):
            if path.suffix != ".parquet":
                path.unlink()


def contents(folder: pathlib.Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


OUTPUTS = {
    "ingest": ["out/events.parquet", "out/accounts.parquet"],
    "features": ["features.parquet"],
    "train": [],
    "score": ["scores.csv"],
    "alerts": [],
}


class Results:
    """Kills by kind, and what they damaged."""

    def __init__(self):
        self.kills, self.problems = Counter(), []


def check(bench: Bench, task: str, expected: dict[str, bytes], results: Results, keys: int) -> None:
    """Check what a killed command left, then rerun it and check the result."""
    def problem(text: str) -> None:
        results.problems.append(f"{task}: {text}")
    for name, found in contents(bench.folder, OUTPUTS[task]).items():
        if found != expected[name]:
            problem(f"{name} is torn")
    for path in bench.folder.glob("models/t/0*"):
        inspected = subprocess.run(bench.command("inspect", f"t/{path.name}"), cwd=bench.folder, capture_output=True, text=True)
        if inspected.returncode != 0:
            problem(f"version {path.name}: {inspected.stderr}")
    listed = subprocess.run(bench.command("models", "list"), cwd=bench.folder, capture_output=True, text=True)
    if listed.returncode != 0:
        problem(f"models list: {listed.stderr}")
    again = subprocess.run(bench.command(*bench.tasks()[task]), cwd=bench.folder, capture_output=True, text=True)
    if again.returncode != 0:
        problem(f"rerun: {again.returncode}, {again.stderr}")
    for name, bytes_ in contents(bench.folder, OUTPUTS[task]).items():
        if bytes_ != expected[name]:
            problem(f"{name} differs after the rerun")
    if task == "alerts":
        lost = keys - len(Webhook.keys)
        doubled = sum(count > 2 for count in Webhook.keys.values()) + max(0, sum(count > 1 for count in Webhook.keys.values()) - 1)
        if lost or doubled:
            problem(f"{lost} alerts lost, {doubled} more than once without need")
        results.kills["alerts sent again with the same id"] += sum(count > 1 for count in Webhook.keys.values())
    folders = {"ingest": "out", "features": ".", "train": "models/t", "score": "led", "alerts": "led"}
    left = [path.name for path in (bench.folder / folders[task]).glob(".pql-*")]
    if left:
        problem(f"left {left}")


def prepare(bench: Bench, task: str) -> None:
    """Remove the outputs of the command, every other time."""
    if task == "train":
        for path in sorted(bench.folder.glob("models/t/0*"))[1:]:
            shutil.rmtree(path)
        (bench.folder / "models/t/champion").write_text("0001\n")
    if task == "alerts":
        bench.forget_alerts()
        Webhook.keys.clear()
    if random.random() < 0.5:
        for name in OUTPUTS[task]:
            (bench.folder / name).unlink(missing_ok=True)


def kill_at_random(bench: Bench, count: int, expected: dict, keys: int, results: Results) -> None:
    for number in range(count):
        task = list(bench.tasks())[number % 5]
        prepare(bench, task)
        child = subprocess.Popen(bench.command(*bench.tasks()[task]), cwd=bench.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, expected[task]["seconds"]))
        child.kill()
        if child.wait() == -signal.SIGKILL:
            results.kills["at random"] += 1
            check(bench, task, expected[task]["files"], results, keys)


def kill_at_calls(bench: Bench, most: int, expected: dict, keys: int, results: Results) -> None:
    for task in bench.tasks():
        for call in CALLS:
            for number in range(1, most + 1):
                prepare(bench, task)
                trace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
                child = subprocess.run(trace + bench.command(*bench.tasks()[task]), cwd=bench.folder, capture_output=True)
                if child.returncode == 0:
                    break
                if child.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
                    results.problems.append(f"{task}, {call} {number}: {child.returncode}, {child.stderr!r}")
                results.kills["at a system call"] += 1
                check(bench, task, expected[task]["files"], results, keys)


def at_once(bench: Bench, processes: int, expected: dict, keys: int) -> list[str]:
    """Run each command many times at once; return the problems."""
    problems = []
    for task, args in bench.tasks().items():
        prepare(bench, task)
        before = len(list(bench.folder.glob("models/t/0*")))
        started = [subprocess.Popen(bench.command(*args), cwd=bench.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                   for _ in range(processes)]
        for child in started:
            _, message = child.communicate()
            if child.returncode != 0:
                problems.append(f"{task}: {child.returncode}, {message}")
        for name, found in contents(bench.folder, OUTPUTS[task]).items():
            if found != expected[task]["files"][name]:
                problems.append(f"{task}: {name} differs")
        if task == "train" and len(list(bench.folder.glob("models/t/0*"))) != before + processes:
            problems.append(f"train: {before} versions, then {len(list(bench.folder.glob('models/t/0*')))}")
        if task == "alerts" and (len(Webhook.keys) != keys or max(Webhook.keys.values()) != 1):
            problems.append(f"alerts: {len(Webhook.keys)} of {keys}, at most {max(Webhook.keys.values())} times")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pql", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--processes", type=int, default=24)
    options = parser.parse_args()
    random.seed(18)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.pql.resolve(), pathlib.Path(folder))
        expected = {}
        for task, args in bench.tasks().items():
            prepare(bench, task)
            start = time.time()
            bench.run(*args)
            expected[task] = {"seconds": time.time() - start, "files": contents(bench.folder, OUTPUTS[task])}
        keys = len(Webhook.keys)
        results = Results()
        kill_at_random(bench, options.kills, expected, keys, results)
        if shutil.which("strace"):
            kill_at_calls(bench, options.calls, expected, keys, results)
        problems = at_once(bench, options.processes, expected, keys)
        for kind, count in results.kills.items():
            print(f"{kind}: {count:,}")
        print(f"losses: {len(results.problems)}", *results.problems, sep="\n    ")
        print(f"processes at once: {5 * options.processes:,} ({options.processes} of each command, {keys} alerts); problems: {len(problems)}",
              *problems, sep="\n    ")
        raise SystemExit(bool(results.problems or problems))


if __name__ == "__main__":
    main()
