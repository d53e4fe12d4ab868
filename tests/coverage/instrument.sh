#!/usr/bin/env bash
# Compiles a crate of the workspace so that its tests record the lines that they reach: RUSTC_WORKSPACE_WRAPPER of coverage.py.
# Not sh: dash drops variables such as CARGO_BIN_EXE_pql-score from the environment.
exec "$@" -Cinstrument-coverage
