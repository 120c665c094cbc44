"""Executes the notebooks with this Python, each from start to end in an empty folder.

python tools/notebooks.py                  execute notebooks/*.ipynb and keep the outputs in the files
python tools/notebooks.py --check [FILE …] execute only; exit 1 if a cell fails
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 300  # seconds


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; raises ``CellExecutionError`` at the first cell that fails."""
    notebook = nbformat.read(path, as_version=4)
    # Without folders to search, "python3" is the running Python, whatever kernels this user has installed.
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=CELL_TIMEOUT,
            record_timing=False,
            coalesce_streams=True,  # what a cell prints piece by piece is kept as one output
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        return client.execute(cleanup_kc=True)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; 0 if all notebooks ran through."""
    parser = argparse.ArgumentParser(description="Execute the notebooks.")
    parser.add_argument("--check", action="store_true", help="do not write the outputs into the files")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: notebooks/*.ipynb")
    options = parser.parse_args(argv)
    failed = False
    for path in options.files or sorted(FOLDER.glob("*.ipynb")):
        try:
            notebook = execute(path)
        except CellExecutionError as error:
            failed = True
            print(f"{path}: a cell failed\n{error}", file=sys.stderr)
            continue
        if not options.check:
            nbformat.write(notebook, path)
        print(f"{path}: ok")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
