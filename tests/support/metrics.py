"""Figures of the package's shape: ``PYTHONPATH=tests python -m support.metrics``.

A function's length is that of its lines without its docstring, decorators included. A private
function serves one place if its module names it once, to call it: its body could stand there.
One that is decorated, or handed over as a value (to a pool, a table, ``setattr``), has to be a
function whoever else calls it. Tables of other code bases count those too, so both are printed.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matinv

PACKAGE = Path(matinv.__file__).parent
TESTS = Path(__file__).parents[1]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method; ``uses`` counts how often its own module names it.

    Of these, ``calls`` are calls.
    """

    place: str
    name: str
    lines: int
    uses: int
    calls: int
    decorated: bool

    @property
    def private(self) -> bool:
        return self.name.startswith("_") and not self.name.endswith("__")

    @property
    def named_once(self) -> bool:
        return self.private and self.uses == 1

    @property
    def serves_one_place(self) -> bool:
        return self.named_once and self.calls == 1 and not self.decorated


def functions() -> Iterator[Function]:
    """Yield each function of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        nodes = list(ast.walk(tree))
        uses = Counter(name for node in nodes if (name := _named(node)))
        calls = Counter(
            name for node in nodes if isinstance(node, ast.Call) and (name := _named(node.func))
        )
        for node in nodes:
            if isinstance(node, FunctionNode):
                yield Function(
                    f"{path.relative_to(PACKAGE)}:{node.lineno}",
                    node.name,
                    _lines(node),
                    uses[node.name],
                    calls[node.name],
                    bool(node.decorator_list),
                )


def _named(node: ast.AST) -> str | None:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return None


def _lines(node: FunctionNode) -> int:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    last = node.end_lineno or node.lineno
    docstring = node.body[0] if ast.get_docstring(node) else None
    without = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return last - first + 1 - without


def modules() -> list[Path]:
    """Return the modules that tests can be named after, relative to the package."""
    paths = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return [path for path in paths if not path.name.startswith("__")]


def names_of_tests(module: Path) -> set[str]:
    """Return the names that its test file may have."""
    return {f"test_{module.stem}.py", *(f"test_{f}_{module.stem}.py" for f in module.parts[:-1])}


def tests_of(module: Path) -> list[Path]:
    """Return its test files: those that bear its name, in its folder or one above."""
    places = (TESTS / folder / name for folder in module.parents for name in names_of_tests(module))
    return [place for place in places if place.exists()]


def main() -> None:
    """Print the figures."""
    found = list(functions())
    lengths = sorted(function.lines for function in found)
    private = sum(function.private for function in found)
    once = sum(function.serves_one_place for function in found)
    named_once = sum(function.named_once for function in found)
    named = sum(bool(tests_of(module)) for module in modules())
    p95 = lengths[len(lengths) * 95 // 100]
    sys.stdout.write(
        f"modules                        {len(modules())}\n"
        f"with a test file of their name {named}\n"
        f"functions                      {len(found)}\n"
        f"lines: median / p95 / longest  {lengths[len(lengths) // 2]} / {p95} / {lengths[-1]}\n"
        f"private                        {100 * private / len(found):.1f} %\n"
        f"private, serves one place      {100 * once / len(found):.1f} % ({once})\n"
        f"private, named once            {100 * named_once / len(found):.1f} % ({named_once})\n"
    )


if __name__ == "__main__":
    main()
