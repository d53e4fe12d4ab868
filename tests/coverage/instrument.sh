#!/bin/sh
# Compiles a crate of the workspace so that its tests record the lines that they reach: RUSTC_WORKSPACE_WRAPPER of coverage.py.
exec "$@" -Cinstrument-coverage
