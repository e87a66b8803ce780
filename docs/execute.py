"""Run a notebook's cells in order, without Jupyter: python docs/execute.py docs/tour.ipynb [--write]

All cells share one namespace. What a cell prints, and the `_repr_html_` (or else the `repr`) of its last expression, is its
output; with --write it is kept in the file. Exit code 1 and the traceback where a cell fails.
"""

import argparse
import ast
import contextlib
import io
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def run(cells: list[dict[str, Any]]) -> None:
    """Execute the code cells and set their outputs and counts. Raises what a cell raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for count, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), 1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = execute("".join(cell["source"]), names, f"<cell {count}>")
        cell["outputs"], cell["execution_count"] = outputs(printed.getvalue(), value, count), count


def execute(code: str, names: dict[str, Any], where: str) -> Any:
    """Run a cell's code in `names`; returns the value of its last line where that is an expression, else None."""
    tree = ast.parse(code, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), where, "eval"), names)  # noqa: S307


def outputs(printed: str, value: Any, count: int) -> list[dict[str, Any]]:
    """As nbformat 4 writes them."""
    found: list[dict[str, Any]] = []
    if printed:
        found.append({"name": "stdout", "output_type": "stream", "text": printed.splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data = {
                "text/html": value._repr_html_().splitlines(keepends=True),
                "text/plain": [f"<{type(value).__name__}>"],
            }
        found.append({"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="keep the outputs in the notebook")
    args = parser.parse_args()
    notebook = json.loads(args.notebook.read_text("utf-8"))
    try:
        run(notebook["cells"])
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    if args.write:
        args.notebook.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
