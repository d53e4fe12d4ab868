#!/usr/bin/env bash
# Runs the fuzzer on each target in turn, and appends the time, target, executions and seconds of each turn to executions.tsv.
#
# Usage: run.sh PROGRAM FOLDER SECONDS ROUNDS TARGET...
#
# FOLDER gets the corpus that grows, and the inputs that violate a law.
set -euo pipefail
program=$1 folder=$2 seconds=$3 rounds=$4
shift 4
corpus=$(dirname "$(realpath "$0")")/corpus
for ((round = 0; round < rounds; round++)); do
    for target in "$@"; do
        mkdir -p "$folder/$target"
        log=$folder/$target.log
        status=0
        PQL_FUZZ_TARGET=$target "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
            -artifact_prefix="$folder/$target-" "$folder/$target" "$corpus/$target" 2>"$log" || status=$?
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        printf '%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$target" "${executions:-0}" "$seconds" >>"$folder/executions.tsv"
        if [ "$status" != 0 ]; then
            tail -n 20 "$log" >&2
            exit 1
        fi
    done
done
awk -F'\t' '{ executions[$2] += $3 } END { for (target in executions) printf "%-13s%15d executions\n", target, executions[target] }' \
    "$folder/executions.tsv" | sort
