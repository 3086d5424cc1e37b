"""Every advice that matinv's errors give, read from its source: nothing of it is run.

A function or class that has a parameter or field ``hint`` takes a hint; each call of it gives one:
a literal, a constant, a text of a table, or what a function of advice returns. Of an f-string only
the constant parts are known: ``{}`` stands for the others.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import matinv

_SOURCE: Final = Path(matinv.__file__).parent
_HINT: Final = "hint"
_TESTING: Final = "testing/"  # what it refuses is for tests alone


class UnreadableHint(Exception):
    """A hint is written in a way that this module cannot follow."""


@dataclass(slots=True)
class _Package:
    """What the modules define: who takes hints, and what names and functions stand for."""

    modules: dict[str, ast.Module] = field(default_factory=dict)
    takers: dict[str, int | None] = field(default_factory=dict)  # the hint's position in a call
    bases: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[str, str], list[ast.expr]] = field(default_factory=lambda: defaultdict(list))

    def define(self, module: str, node: ast.AST) -> None:
        """Note a class, a function or an assignment."""
        match node:
            case ast.ClassDef(name=name, bases=[ast.Name(id=base), *_]):
                self.bases[name] = base
        match node:
            case ast.ClassDef(name=name, body=body):
                fields = [
                    line.target.id
                    for line in body
                    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
                ]
                for line in body:
                    if isinstance(line, ast.FunctionDef) and line.name == "__init__":
                        fields = [a.arg for a in line.args.args[1:]]
                        self.takers[name] = None
                if _HINT in fields:
                    self.takers[name] = fields.index(_HINT)
            case ast.FunctionDef(name=name, args=args) if name != "__init__":
                names = [a.arg for a in args.args if a.arg != "self"]
                if _HINT in names:
                    self.takers[name] = names.index(_HINT)
                answers = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
                self.values[module, f"{name}()"] += [a for a in answers if a]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.values[module, name].append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.values[module, name].append(value)

    def position(self, name: str) -> int | None:
        """Return which argument of a call of this name is a hint, None if none is."""
        while name not in self.takers and name in self.bases:
            name = self.bases[name]
        return self.takers.get(name)

    def meaning(self, module: str, name: str) -> list[tuple[str, ast.expr]]:
        """Return what a name stands for: as its module says, or the one that it imports from."""
        homes = [module] if (module, name) in self.values else list(self.modules)
        return [(home, value) for home in homes for value in self.values.get((home, name), [])]

    def hints(self, module: str) -> Iterator[ast.expr]:  # noqa: C901 - a case for each way to write a hint
        """Yield each expression of a module that is used as a hint."""
        for node in ast.walk(self.modules[module]):
            match node:
                case ast.ClassDef(name=name):
                    base = self.bases.get(name, "")
                    for call in ast.walk(node):
                        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith(
                            "super"
                        ):
                            yield from self._argument(call, self.position(base))
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                    yield from self._argument(node, self.position(name))
                case ast.FunctionDef(args=ast.arguments(args=args, defaults=defaults)):
                    for argument, default in zip(args[::-1], defaults[::-1], strict=False):
                        if argument.arg == _HINT:
                            yield default
                case ast.Assign(targets=[ast.Attribute(attr="hint")], value=value):
                    yield value
                case ast.Assign(targets=[ast.Name(id="hint")], value=value):
                    yield value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                    targets = [ast.unparse(name) for name in names]
                    if _HINT in targets:
                        yield from self._column(module, value, targets.index(_HINT))

    def _argument(self, call: ast.Call, position: int | None) -> Iterator[ast.expr]:
        named = [keyword.value for keyword in call.keywords if keyword.arg == _HINT]
        unpacked = any(isinstance(argument, ast.Starred) for argument in call.args)
        if named:
            yield from named
        elif position is not None and position < len(call.args) and not unpacked:
            yield call.args[position]

    def _column(self, module: str, value: ast.expr, index: int) -> Iterator[ast.expr]:
        """Yield what stands at `index` in the tuples of a table, or in one tuple."""
        match value:
            case ast.Tuple(elts=elements):
                yield elements[index]
            case ast.Dict(values=values):
                for each in values:
                    yield from self._column(module, each, index)
            case ast.Subscript(value=table):
                yield from self._column(module, table, index)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, *others]):
                for each in (table, *others):
                    yield from self._column(module, each, index)
            case ast.Name(id=name) if found := self.meaning(module, name):
                for home, each in found:
                    yield from self._column(home, each, index)
            case _:
                raise UnreadableHint(f"{module}:{value.lineno}: {ast.unparse(value)}")

    def texts(self, module: str, value: ast.expr) -> Iterator[str]:  # noqa: C901, PLR0912 - a case for each way to write a hint
        """Yield the texts that an expression may be; none for a hint that is only handed on."""
        match value:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(self._part(module, part) for part in parts)
            case ast.IfExp(body=one, orelse=other):
                yield from self.texts(module, one)
                yield from self.texts(module, other)
            case ast.BoolOp(values=values) | ast.Dict(values=values):
                for each in values:
                    yield from self.texts(module, each)
            case ast.Name(id="hint") | ast.Attribute(attr="hint"):
                return
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value="hint"), *_]):
                return
            case ast.Call(func=ast.Name(id="_optional_text")):
                return
            case ast.Subscript(value=table) | ast.Call(func=ast.Attribute(value=table, attr="get")):
                yield from self.texts(module, table)
            case ast.Name(id=name) if found := self.meaning(module, name):
                for home, each in found:
                    yield from self.texts(home, each)
            case ast.Call(func=ast.Name(id=name)) if found := self.meaning(module, f"{name}()"):
                for home, each in found:
                    yield from self.texts(home, each)
            case _:
                raise UnreadableHint(f"{module}:{value.lineno}: {ast.unparse(value)}")

    def _part(self, module: str, part: ast.expr) -> str:
        match part:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=ast.Name(id=name)) if name.strip("_").isupper():
                ((home, value),) = self.meaning(module, name)
                return next(self.texts(home, value))
        return "{}"


def hint_texts() -> dict[str, list[str]]:
    """Return every hint of the package, with the places that give it.

    Raises
    ------
    UnreadableHint
        One is written in a way that this module does not know.
    """
    package = _Package()
    for path in sorted(_SOURCE.rglob("*.py")):
        name = path.relative_to(_SOURCE).as_posix()
        if not name.startswith(_TESTING):
            package.modules[name] = ast.parse(path.read_text())
    for name, tree in package.modules.items():
        for node in ast.walk(tree):
            package.define(name, node)
    found: dict[str, set[str]] = defaultdict(set)
    for module in package.modules:
        for value in package.hints(module):
            for text in package.texts(module, value):
                found[text].add(f"{module}:{value.lineno}")
    found.pop("", None)
    return {text: sorted(places) for text, places in sorted(found.items())}
