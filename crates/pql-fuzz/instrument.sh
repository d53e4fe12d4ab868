#!/usr/bin/env bash
# Compiles a crate of the workspace so that libFuzzer sees which branches an input reaches: RUSTC_WORKSPACE_WRAPPER of `make fuzz`.
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
