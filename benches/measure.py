"""Run commands and measure time and peak memory. It imports no package, so that a command does not inherit its memory."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
# Seconds after which a command is not repeated.
ENOUGH = 30.0


@dataclass
class Run:
    """The cost of a command. `seconds` is the whole process for pql, and the time without imports that the others report."""
    seconds: float
    memory: int
    answer: dict = field(default_factory=dict)
    # Seconds of all cores, of the whole process.
    cpu: float = 0.0


@dataclass
class Goal:
    what: str
    aim: str
    found: str
    reached: bool


@dataclass
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]
    words: str = ""


@dataclass
class Bench:
    """Programs, folders and sizes of the measurements, and the goals checked so far."""
    pql: Path
    work: Path
    scale: float
    kernels: Path | None
    runs: int = 3
    goals: list[Goal] = field(default_factory=list)

    def size(self, full: int, least: int) -> int:
        return max(least, round(full * self.scale))

    def out(self, name: str) -> Path:
        """Returns the path of a result, and removes that of an earlier run."""
        path = self.work / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def made(self, name: str, make) -> Path:
        """Returns a folder of input files, and creates it if it is missing."""
        folder = self.work / f"{name}-{self.scale:g}"
        if not (folder / "done").exists():
            say(f"making {folder}")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            (folder / "done").touch()
        return folder

    def log(self, accounts: int) -> Path:
        """Returns a simulated log with about 100 events per account."""
        n = self.size(accounts, 1000)
        return self.made(f"log{accounts}", lambda folder: once([self.pql, "simulate", "-o", folder, "--accounts", n, "--seed", 1, "--base-rate", 0.1, "--events-per-account", 100, "--quiet"]))

    def measure(self, what: str, command: list, runs: int = 3, threads: int | None = None) -> Run:
        """Returns the median of up to `runs` runs."""
        found, start = [], time.perf_counter()
        while len(found) < min(runs, self.runs) and (not found or time.perf_counter() - start < ENOUGH):
            found.append(once(command, threads))
        result = Run(statistics.median(run.seconds for run in found), max(run.memory for run in found), found[-1].answer)
        say(f"  {what}: {duration(result.seconds)}, {size(result.memory)}")
        return result

    def can(self, command: str, option: str) -> bool:
        """Returns whether a command of pql has an option."""
        return option in subprocess.run([self.pql, command, "--help"], capture_output=True, text=True, check=True).stdout

    def goal(self, what: str, aim: str, found: str, reached: bool) -> None:
        self.goals.append(Goal(what, aim, found, reached))


def once(command: list, threads: int | None = None) -> Run:
    """Runs a command that must succeed; its last line may be JSON with the seconds to report."""
    env = os.environ | ({name: str(threads) for name in ("RAYON_NUM_THREADS", "POLARS_MAX_THREADS")} if threads else {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\nended with {process.returncode}: {err.read().decode()[-2000:]}")
        lines = out.read().decode().strip().splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Run(answer.get("seconds", seconds), usage.ru_maxrss * 1024, answer, usage.ru_utime + usage.ru_stime)


def peer(script: str, *words) -> list:
    """Returns a command that runs a script in peers/ with this Python."""
    return [sys.executable, HERE / "peers" / f"{script}.py", *words]


def warm(*paths: Path) -> None:
    """Reads files once, so that no measurement waits for the disk."""
    for path in paths:
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def size(memory: int) -> str:
    return f"{memory / 1e6:.0f} MB" if memory < 1e9 else f"{memory / 1e9:.2f} GB"


def times(ratio: float) -> str:
    return f"{ratio:.1f} ×" if ratio < 100 else f"{ratio:.0f} ×"
