#!/usr/bin/env bash
# Changes the code of pql-stats, the encoder and the model file, and checks that a test fails: every Nth mutant of cargo-mutants.
#
# Usage: tests/mutation.sh [N of pql-stats] [N of encoder and model file]
#
# Installs cargo-mutants in ~/.cache/pql/tools. The arguments select the sample: 1 tests all 3,800 mutants, which takes days.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${PQL_TOOLS:-$HOME/.cache/pql/tools}
[ -x "$tools/bin/cargo-mutants" ] || cargo install --locked --root "$tools" cargo-mutants
export PATH=$tools/bin:$PATH
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# The mutants are made in a copy of the sources; its objects stay for the next one.
export CARGO_BUILD_BUILD_DIR=${CARGO_BUILD_BUILD_DIR:-$target/mutation-build}

mutate() { # NAME EVERY ARGUMENTS
    local name=$1 every=$2
    shift 2
    printf '\n==> %s: every mutant of %s\n' "$name" "$every"
    mkdir -p "$target/mutation/$name"
    # Missed mutants are no failure of the tool: the summary judges them.
    cargo mutants --shard "0/$every" --sharding round-robin --baseline skip --timeout 300 --build-timeout 900 \
        --output "$target/mutation/$name" "$@" || [ $? -le 3 ]
}

mutate pql-stats "${1:-30}" -p pql-stats
mutate model "${2:-10}" -p pql -f 'src/model/encoder/**' -f src/model/file.rs \
    -- --lib --test it -- model:: artifact:: golden_models:: spline:: cli_columns::
python3 - "$target"/mutation/*/mutants.out/outcomes.json <<'PYTHON'
import json
import math
import pathlib
import sys

failed = False
for path in sys.argv[1:]:
    outcomes = json.loads(pathlib.Path(path).read_text())["outcomes"]
    ends = [outcome["summary"] for outcome in outcomes if outcome["scenario"] != "Baseline"]
    caught = sum(end in ("CaughtMutant", "Timeout") for end in ends)
    missed = ends.count("MissedMutant")
    n, z = caught + missed, 1.96
    share = caught / n
    # Wilson, Journal of the American Statistical Association 22 (1927).
    center, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((center + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
    print(f"{pathlib.Path(path).parts[-3]}: {caught} of {n} mutants caught, {100 * share:.1f}% (95% CI {100 * low:.1f}% to {100 * high:.1f}%)")
    failed |= share < 0.9
sys.exit(failed)
PYTHON
