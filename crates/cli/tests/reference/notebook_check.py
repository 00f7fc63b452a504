"""Makes the notebook of a short run, validates it, runs it from top to bottom, and compares what its
cells print with what stood in it: python notebook_check.py PROGRAM (needs nbconvert and ipykernel)."""

import os, subprocess, sys, tempfile
from pathlib import Path

import nbformat

program = str(Path(sys.argv[1]).resolve())


def outputs(cell):
    return [(o.output_type, o.get("text"), sorted(o.get("data", {}))) for o in cell.outputs]


with tempfile.TemporaryDirectory() as folder:
    def chainrule(*arguments):
        subprocess.run([program, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    chainrule("train", "--data", "sample", "--epochs", "2", "--quiet", "--out", "results/run-001")
    chainrule("assignment")
    notebook = Path(folder, "results/assignment/problem-4.2.ipynb")
    executed = Path(folder, "executed.ipynb")
    command = ["-m", "nbconvert", "--to", "notebook", "--execute", "--log-level", "ERROR"]
    subprocess.run(
        [sys.executable, *command, str(notebook), "--output", str(executed)],
        env={**os.environ, "CHAINRULE": program},
        check=True,
    )
    made, done = (nbformat.read(file, as_version=4) for file in [notebook, executed])
    nbformat.validate(made)
    code = [(a, b) for a, b in zip(made.cells, done.cells, strict=True) if a.cell_type == "code"]
    assert len(code) == 5 and all(cell.outputs for cell, _ in code)
    for before, after in code:
        assert outputs(before) == outputs(after), (outputs(before), outputs(after))
    pictures = [kind for cell, _ in code for o in cell.outputs for kind in o.get("data", {})]
    assert {"image/svg+xml", "image/png"} <= set(pictures), pictures
print(f"valid; run from top to bottom, its {len(code)} cells print what stood in it")
