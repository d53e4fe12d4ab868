"""Writes THIRD-PARTY-NOTICES.txt: the licenses of the crates in pql as built for Linux.

Usage: python3 tests/notices.py [FILE]
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

TREE = "cargo tree -p pql -e normal --target x86_64-unknown-linux-gnu --prefix none --locked --format {p}|{l}".split()
# Of several licenses, the first of these is chosen.
PREFERRED = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD", "BSL-1.0", "CC0-1.0", "Unlicense"]
NOTICE = re.compile(r"^\s*(copyright\b|©|\(c\)).*", re.IGNORECASE)
HEADER = """\
Third-party notices

pql contains the crates below. `make notices` writes this file from the crates of Cargo.lock, as built for Linux. Where a crate
offers several licenses, the one named here is used.
"""


def crates():
    """Yields the name, version and license of each crate from the registry."""
    lines = subprocess.run(TREE, check=True, capture_output=True, text=True).stdout.splitlines()
    for line in sorted(set(line.replace(" (*)", "") for line in lines)):
        package, license = line.split("|")
        name, version, *source = package.split()
        if not (source and source[0].startswith("(/")):
            yield name, version.removeprefix("v"), license


def chosen(expression):
    """Returns the licenses to follow."""
    options = re.split(r"\s+OR\s+|\s*/\s*", expression)
    if "(" in expression:
        options = [expression.replace("(", "").replace(")", "").replace("MIT OR Apache-2.0", "MIT")]
    options.sort(key=lambda option: PREFERRED.index(option) if option in PREFERRED else len(PREFERRED))
    return [part.strip() for part in options[0].split(" AND ")]


def license_file(folder, license):
    """Returns the file with the text of a license, if the crate has one."""
    files = [f for f in sorted(folder.iterdir()) if re.match(r"(licen[sc]e|copying|unlicense)", f.name, re.IGNORECASE) and f.is_file()]
    key = license.split("-")[0].split(" ")[0].lower()
    named = [f for f in files if key in f.name.lower()]
    plain = [f for f in files if re.fullmatch(r"(licen[sc]e|copying)(\.(md|txt))?", f.name, re.IGNORECASE)]
    return next(iter(named + plain + (files if len(files) == 1 else [])), None)


def split(text):
    """Returns the copyright notices of a license file, and the rest."""
    notices, rest = [], []
    for line in text.splitlines():
        is_notice = NOTICE.match(line) and not re.search(r"yyyy|license|notice|holder|owner|law", line, re.IGNORECASE)
        (notices if is_notice else rest).append(line.rstrip())
    return [" ".join(line.split()) for line in notices], "\n".join(rest).strip("\n")


def main():
    registry = next(Path.home().glob(".cargo/registry/src/*"))
    listed, missing = [], []
    # license → text without whitespace → text, and the crates with their notices
    texts = defaultdict(dict)
    holders = defaultdict(lambda: defaultdict(list))
    for name, version, expression in crates():
        folder = registry / f"{name}-{version}"
        authors = tomllib.loads((folder / "Cargo.toml").read_text())["package"].get("authors", [])
        licenses = chosen(expression)
        listed.append(f"{name} {version}: {' AND '.join(licenses)}")
        for license in licenses:
            file = license_file(folder, license)
            if file is None:
                missing.append((license, f"{name} {version}", authors))
                continue
            notices, rest = split(file.read_text(errors="replace"))
            key = re.sub(r"\W+", "", rest).lower()
            texts[license].setdefault(key, rest)
            holders[license][key].append((f"{name} {version}", notices))
        for file in sorted(folder.glob("NOTICE*")):
            notices, rest = split(file.read_text(errors="replace"))
            texts[f"Notice of {name} {version}"][""] = "\n".join(notices) + "\n" + rest
            holders[f"Notice of {name} {version}"][""] = []
    for license, crate, authors in missing:
        # The usual text, if the crate lacks its own.
        usual = Counter({key: len(found) for key, found in holders[license].items()}).most_common(1)[0][0]
        holders[license][usual].append((crate, [f"Copyright {author}" for author in authors]))
    out = [HEADER, *listed]
    for license in sorted(texts):
        for key, text in texts[license].items():
            out += ["", "=" * 80, license, "=" * 80, ""]
            for crate, notices in sorted(holders[license][key]):
                out.append(f"{crate}: {'; '.join(notices)}" if notices else crate)
            out += ["", text]
    Path(sys.argv[1] if len(sys.argv) > 1 else "THIRD-PARTY-NOTICES.txt").write_text("\n".join(out) + "\n")


main()
