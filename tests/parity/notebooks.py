"""Run notebooks that `pql export notebook` wrote, without their plots, in one process.

    python notebooks.py FOLDER...

Checks each against the notebook format and prints a line: its folder and `ok`, or the error that ended it.
"""
import contextlib
import os
import sys
from pathlib import Path

import nbformat


def run(folder: Path) -> str:
    notebook = nbformat.read(folder / "analysis.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    names = {}
    os.chdir(folder)
    for cell in notebook.cells:
        if cell.cell_type != "code" or "plot" in cell.metadata.tags:
            continue
        assert cell.outputs == [] and cell.execution_count is None
        try:
            with contextlib.redirect_stdout(sys.stderr):
                exec(compile(cell.source, f"{folder.name}, {cell.id}", "exec"), names)
        except Exception as error:
            return f"{type(error).__name__} in {cell.id}: {error}"
    return "ok"


for folder in sys.argv[1:]:
    print(f"{folder}: {run(Path(folder).resolve())}")
