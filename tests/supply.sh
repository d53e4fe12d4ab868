#!/usr/bin/env bash
# Checks the dependencies: advisories, licenses and sources (cargo-deny), the notices, and that a build lists its crates
# (cargo-auditable). Installs the tools in TOOLS, which takes 20 minutes the first time.
#
# Usage: tests/supply.sh [TOOLS]
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${1:-$HOME/.cache/pql/tools}
for tool in cargo-deny cargo-auditable rust-audit-info; do
    [ -x "$tools/bin/$tool" ] || cargo install --locked --root "$tools" "$tool"
done
export PATH=$tools/bin:$PATH

echo '==> Advisories, licenses, sources'
cargo deny --locked check

echo '==> Notices'
notices=$(mktemp)
trap 'rm -f "$notices"' EXIT
python3 tests/notices.py "$notices"
diff "$notices" THIRD-PARTY-NOTICES.txt

echo '==> A build that lists its crates'
cargo auditable build --locked --bin pql
pql=$(cargo auditable build --locked --bin pql --message-format json 2>/dev/null |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"):
        print(message["executable"])')
rust-audit-info "$pql" | python3 -c 'import json, sys, tomllib
found = {(p["name"], p["version"]) for p in json.load(sys.stdin)["packages"]}
locked = {(p["name"], p["version"]) for p in tomllib.load(open("Cargo.lock", "rb"))["package"]}
notices = {tuple(line.split(":")[0].split()) for line in open("THIRD-PARTY-NOTICES.txt") if line.count(": ") == 1 and len(line.split(":")[0].split()) == 2}
linked = {p for p in notices if p in locked}
assert found <= locked, found - locked
assert linked <= found, linked - found
print(f"{len(found)} crates, as in Cargo.lock")'
