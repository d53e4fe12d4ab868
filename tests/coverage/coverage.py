"""Measure how many lines of the statistics, the encoder and the model file the tests reach; below 90% is an error.

    python3 tests/coverage/coverage.py [--keep] [ARGUMENTS OF cargo test]

Only the workspace is compiled with instrumentation, so that polars is not compiled again. Lines of test modules do not count.
`--keep` adds to the lines that an earlier call reached. Needs the component llvm-tools of rustup.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUIRED = 0.9
GROUPS = {
    "crates/pql-stats": "crates/pql-stats/src/",
    "src/model/encoder": "src/model/encoder/",
    "src/model/file.rs": "src/model/file.rs",
}


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def programs(arguments: list[str]) -> list[str]:
    """Build the tests and return their programs, with the programs that they run."""
    built = subprocess.run(["cargo", "test", "--locked", "--no-run", "--message-format", "json", *arguments],
                           check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    messages = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return sorted({message["executable"] for message in messages if message.get("executable")})


def lines(report: str) -> dict[str, dict[int, int]]:
    """Return the number of executions by file and line of a report in the format of lcov."""
    files: dict[str, dict[int, int]] = {}
    for line in report.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            path = os.path.relpath(value, ROOT)
            current = files.setdefault(path, {})
        elif key == "DA":
            number, count = map(int, value.split(",")[:2])
            current[number] = max(count, current.get(number, 0))
    return files


def without_tests(path: str, counts: dict[int, int]) -> dict[int, int]:
    """Drop the lines of the test module, which is the end of a file."""
    text = (ROOT / path).read_text()
    tests = re.search(r"^#\[cfg\(test\)\]\nmod \w+ \{", text, re.MULTILINE)
    first = text[: tests.start()].count("\n") + 1 if tests else sys.maxsize
    return {number: count for number, count in counts.items() if number < first}


def main(arguments: list[str]) -> None:
    out = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "coverage"
    if arguments[:1] == ["--keep"]:
        arguments = arguments[1:]
    else:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    tools = pathlib.Path(output("rustc", "--print", "target-libdir").strip()).parent / "bin"
    if not (tools / "llvm-cov").exists():
        sys.exit("llvm-cov is missing: run `rustup component add llvm-tools`")
    # One file for each program, which its processes merge.
    os.environ["LLVM_PROFILE_FILE"] = f"{out}/%m.profraw"
    os.environ["RUSTC_WORKSPACE_WRAPPER"] = str(ROOT / "tests/coverage/instrument.sh")
    known = out / "programs.json"
    names = {*programs(arguments), *(json.loads(known.read_text()) if known.exists() else [])}
    known.write_text(json.dumps(sorted(names)))
    subprocess.run(["cargo", "test", "--locked", *arguments], check=True, cwd=ROOT)
    profile = out / "all.profdata"
    subprocess.run([tools / "llvm-profdata", "merge", "-sparse", *sorted(out.glob("*.profraw")), "-o", profile], check=True)
    objects = [part for name in sorted(names) for part in ("--object", name)]
    sources = [str(ROOT / source) for source in GROUPS.values()]
    files = lines(output(str(tools / "llvm-cov"), "export", "--format=lcov", f"--instr-profile={profile}", *objects, "--sources", *sources))

    low = []
    for group, prefix in GROUPS.items():
        counts = {path: without_tests(path, found) for path, found in sorted(files.items()) if path.startswith(prefix)}
        total = sum(map(len, counts.values()))
        reached = sum(count > 0 for found in counts.values() for count in found.values())
        print(f"{group}: {100 * reached / total:.1f}% of {total:,} lines")
        for path, found in counts.items():
            missed = [number for number, count in found.items() if count == 0]
            if missed:
                print(f"    {path}: {len(missed)} of {len(found)} not reached: {', '.join(map(str, sorted(missed)))}")
        if reached < REQUIRED * total:
            low.append(group)
    if low:
        sys.exit(f"below {REQUIRED:.0%}: {', '.join(low)}")


if __name__ == "__main__":
    main(sys.argv[1:])
