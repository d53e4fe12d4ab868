"""Give pql hostile files of 64 MiB: CPU time, memory and exit code of each kind, as a Markdown table.

    python3 tests/reliability/hostile.py PQL [--only TEXT] [--large]

`--only` selects files whose description contains a text. `--large` adds an account with 80 million events (1.5 GB).
"""
import argparse
import gzip
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable

SIZE = 64 << 20
PROJECT = '[[events]]\npath = "{}"\n'
HEADER = b"account_id,event,timestamp\n"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def parquet(footer: bytes) -> bytes:
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def filled_footer(field: int, element: bytes) -> bytes:
    """Return a footer in which a list of structs has as many elements as fit into the file."""
    count = SIZE // len(element)
    head = bytes([0x15, 0x02])  # version 1
    lists = {2: bytes([0x19, 0xFC]), 4: bytes([0x39, 0xFC]), 5: bytes([0x49, 0xFC])}[field]
    return parquet(head + lists + varint(count) + element * count + b"\0")


def csv(body: bytes) -> bytes:
    return HEADER + body


def repeated(part: bytes) -> bytes:
    return part * (SIZE // len(part))


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "CSV: one line": ("x.csv", lambda: csv(repeated(b"a"))),
    "CSV: one row of separators": ("x.csv", lambda: csv(repeated(b","))),
    "CSV: a row of 16 MB of separators": ("x.csv", lambda: csv(b"," * 15_900_000)),
    "CSV: header of separators": ("x.csv", lambda: repeated(b",")),
    "CSV: a quote that is not closed": ("x.csv", lambda: csv(b'"' + repeated(b"a\n"))),
    "CSV: quotes": ("x.csv", lambda: csv(repeated(b'"'))),
    "CSV: blank lines": ("x.csv", lambda: csv(repeated(b"\n"))),
    "CSV: rows with one field": ("x.csv", lambda: csv(repeated(b"a\n"))),
    "CSV: zero bytes": ("x.csv", lambda: bytes(SIZE)),
    "CSV: rows of account ids only": ("x.csv", lambda: csv(repeated(b"a,,\n"))),
    "NDJSON: one line": ("x.ndjson", lambda: repeated(b"a")),
    "NDJSON: deep lists": ("x.ndjson", lambda: repeated(b"[")),
    "NDJSON: deep objects": ("x.ndjson", lambda: repeated(b'{"a":')),
    "NDJSON: many keys": ("x.ndjson", lambda: b"{" + b",".join(b'"k%d":1' % n for n in range(1_200_000)) + b"}"),
    "NDJSON: a key in each line": ("x.ndjson", lambda: b"".join(b'{"k%d":1}\n' % n for n in range(4_000_000))),
    "NDJSON: a long number": ("x.ndjson", lambda: b'{"account_id":' + b"1" * 15_900_000 + b"}\n"),
    "gzip: 10 GB in one line": ("x.csv.gz", lambda: gzip.compress(HEADER) + gzip.compress(repeated(b"a"), 9) * 150),
    "gzip: empty parts": ("x.csv.gz", lambda: repeated(gzip.compress(b""))),
    "gzip: a header and noise": ("x.csv.gz", lambda: gzip.compress(HEADER)[:10] + os.urandom(SIZE)),
    "zstd: frames to skip": ("x.csv.zst", lambda: repeated(b"\x50\x2a\x4d\x18\0\0\0\0")),
    "zstd: noise": ("x.csv.zst", lambda: b"\x28\xb5\x2f\xfd" + os.urandom(SIZE)),
    "Parquet: noise": ("x.parquet", lambda: parquet(os.urandom(SIZE))),
    "Parquet: schema of 64 MiB": ("x.parquet", lambda: filled_footer(2, bytes.fromhex("150c250238017800"))),
    "Parquet: row groups of 64 MiB": ("x.parquet", lambda: filled_footer(4, bytes.fromhex("19cc" + "00" * 12 + "160016000000")[:-1])),
    "Parquet: pairs of 64 MiB": ("x.parquet", lambda: filled_footer(5, bytes.fromhex("180000"))),
    "pql.toml: one line": ("pql.toml", lambda: b"a = " + repeated(b"1")),
    "pql.toml: deep lists": ("pql.toml", lambda: b"a = " + repeated(b"[")),
    "pql.toml: definitions": ("pql.toml", lambda: repeated(b"[[definition]]\n")),
    "model: zero bytes": ("m.pql", lambda: b"PQLM\x07\0\0\0" + bytes(SIZE)),
    "model: larger than its header says": ("m.pql", lambda: b"PQLM\x07\0\0\0" + struct.pack("<Q", SIZE - 48) + bytes(SIZE)),
}


# A small process of its own: the peak memory of a process includes that of the one that starts it.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
message = child.stderr.read()
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
sys.stdout.flush()
sys.stdout.buffer.write(message)
"""


def measure(command: list[str], folder: pathlib.Path) -> tuple[int, float, int, str]:
    """Run a command; return its exit code, seconds of CPU, peak memory in bytes and message."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *command], cwd=folder, stdout=subprocess.PIPE, check=True, text=True)
    numbers, _, message = done.stdout.partition("\n")
    code, seconds, peak = numbers.split()
    return int(code), float(seconds), int(peak), " ".join(message.split())


def large(pql: str, folder: pathlib.Path) -> int:
    """Read one account with 80 million events, with several limits of memory; return how often the limit was exceeded."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    rows, parts = 80_000_000, 80
    path = folder / "large.parquet"
    schema = pa.schema([("account_id", pa.string()), ("event", pa.string()), ("timestamp", pa.timestamp("us", "UTC"))])
    with pq.ParquetWriter(path, schema) as writer:
        for part in range(parts):
            count = rows // parts
            times = 1_735_689_600_000_000 + (np.arange(count, dtype="int64") * parts + part) * 300_000
            text = lambda value: pa.array([value] * count)  # noqa: E731
            writer.write_table(pa.table([text("one"), text("login"), pa.array(times).cast(pa.timestamp("us", "UTC"))], schema=schema))
    (folder / "pql.toml").write_text(PROJECT.format("large.parquet"))
    failures = 0
    for gigabytes in (1, 4):
        code, seconds, peak, message = measure([pql, "ingest", "--memory", f"{gigabytes}GB", "-o", "out"], folder)
        print(f"\n80 million events of one account with `--memory {gigabytes}GB`: exit code {code}, {seconds:.0f} s, {peak / 1e6:,.0f} MB. {message[:200]}")
        failures += peak > gigabytes * 1_000_000_000
    return failures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pql", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    pql = str(options.pql.resolve())
    failures = 0
    # A line may have 16 MB (`input.max_line`), also in a small compressed file.
    least = 16_000_000
    print("| file | exit code | CPU seconds | MB | memory / size | message |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "pql.toml").write_text(PROJECT.format("x.csv"))
        (folder / "x.csv").write_bytes(HEADER + b"a,b\n")
        base = measure([pql, "ingest", "-o", "out"], folder)[2]
        files = {kind: file for kind, file in FILES.items() if options.only in kind}
        for kind, (file, content) in files.items():
            content = content()
            (folder / "pql.toml").write_text(PROJECT.format(file))
            (folder / file).write_bytes(content)
            command = [pql, "inspect", file] if file.endswith(".pql") else [pql, "ingest", "-o", "out"]
            code, seconds, peak, message = measure(command, folder)
            (folder / file).unlink()
            share = (peak - base) / max(len(content), least)
            print(f"| {kind} | {code} | {seconds:.2f} | {(peak - base) / 1e6:,.0f} | {share:.1f} | {message[:110].replace('|', ' ')} |", flush=True)
            failures += code not in (2, 3, 4) or seconds > 1 or share > 4
        if options.large:
            failures += large(pql, folder)
    print(f"\nThe program itself takes {base / 1e6:.0f} MB. {failures} failures: refused later than after 1 s, or with more memory than 4 × the file or `--memory`")
    raise SystemExit(failures > 0)


if __name__ == "__main__":
    main()
