"""How the house is built: what importing loads, what is called what, where logic may stand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import matinv
from matinv.cli.reference import help_texts
from matinv.settings import SettingsError
from support import metrics
from support.hints.texts import hint_texts
from support.pages import PAGES, ROOT

PACKAGE = Path(matinv.__file__).parent

# Pydantic's names are those of the OpenAPI document's components.
OPENAPI_MODELS = PACKAGE / "http_api" / "models.py"

# Private functions whose body could stand where they are called. (Of 22 code bases that were read
# the others have 1 to 7 % that are named once, for whatever.)
ONCE_USED_PERCENT = 10


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(PACKAGE.rglob("*.py"))]


# --- the package's face


def test_importing_the_package_loads_nothing() -> None:
    program = "import sys, matinv; assert matinv.__version__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    for heavy in ("numpy", "botocore", "boto3", "pydantic_core", "orjson"):
        assert heavy not in loaded
    assert [name for name in loaded if name.startswith("matinv.")] == []


def test_every_name_of_the_package_is_there() -> None:
    assert {"Client", "Job", "MatinvError"} < set(matinv.__all__)
    assert set(matinv.__all__) <= set(dir(matinv))
    for name in matinv.__all__:
        assert getattr(matinv, name) is not None
    assert issubclass(matinv.ClientError, matinv.MatinvError)
    assert issubclass(matinv.Refused, matinv.MatinvError)
    assert issubclass(SettingsError, matinv.MatinvError)


def test_a_name_that_the_package_has_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Klient'"):
        matinv.Klient  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_the_names_that_there_are() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {
        (alias.name, node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {
        (name, home)
        for name, home in matinv._HOMES.items()  # type: ignore[attr-defined]
    }


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports inside functions count, and those for types alone: neither file is read first."""
    graph = grimp.build_graph("matinv", cache_dir=None)
    TopologicalSorter(
        {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    ).prepare()


# --- what is called what


def test_no_logic_stands_in_an_init_file() -> None:
    lazy = {"__getattr__", "__dir__"}  # PEP 562
    offenders = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path, tree in trees()
        if path.name == "__init__.py"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name not in lazy
    ]
    assert offenders == []


def test_no_module_has_the_name_of_something_that_its_package_exports() -> None:
    for path, tree in trees():
        if path.name == "__init__.py":
            exported = {
                alias.asname or alias.name
                for node in tree.body
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            modules = {other.stem for other in path.parent.iterdir()}
            assert not exported & modules, path


def test_a_class_name_means_one_class() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees():
        if path != OPENAPI_MODELS:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_tests_that_bear_the_name_of_a_module_stand_where_the_module_does() -> None:
    homes: dict[str, set[Path]] = defaultdict(set)
    for module in metrics.modules():
        for name in metrics.names_of_tests(module):
            homes[name].update(metrics.TESTS / folder for folder in module.parents)
    strangers = [
        path.relative_to(metrics.TESTS)
        for path in metrics.TESTS.rglob("test_*.py")
        if path.name in homes and path.parent not in homes[path.name]
    ]
    assert strangers == []


# --- functions


def test_private_functions_serve_somebody(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(metrics.functions())
    once = [f"{one.place} {one.name}" for one in found if one.serves_one_place]
    share = 100 * len(once) / len(found)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(once)} of {len(found)} functions ({share:.1f} %) serve one place\n"
        )
    assert share <= ONCE_USED_PERCENT, "\n".join(once)


def test_a_function_serves_one_place_if_its_body_could_stand_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").write_text(
        "def _called_once(): ...\n"
        "def _called_twice(): ...\n"
        "def _value(): ...\n"
        "@cache\n"
        "def _cached(): ...\n"
        "def public():\n"
        "    _called_once(), _called_twice(), self._called_twice(), _cached()\n"
        "    return pool.map(_value, [1])\n"
        "public()\n"
    )
    monkeypatch.setattr(metrics, "PACKAGE", tmp_path)
    found = list(metrics.functions())
    assert [one.name for one in found if one.serves_one_place] == ["_called_once"]
    assert [one.name for one in found if one.named_once] == ["_called_once", "_value", "_cached"]


# --- how people are spoken to

# Words for which `functions/README.md` has better ones; "ring" is what alarms do not do.
RETIRED = re.compile(
    r"\b(mend(s|ed|ing)?|bur(y|ies|ied|ying)|twins?|stand-ins?|told|a text|rings?|rang|ringing)\b",
    re.IGNORECASE,
)
# A clause in place of the thing that it means: "What was sent" for "the message".
FREE_RELATIVE = re.compile(r"(What|Whatever|Where|Wherever|Who|Whoever|Whom|Whose)\b(?![^.]*\?)")

FREE_SUBJECT = re.compile(r"(What|Whatever|Who|Whoever|Whose)\b(?![^.]*\?)")


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield each docstring and where it is."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = getattr(node, "name", "")
                yield f"{path.relative_to(PACKAGE)}: {name}", ast.get_docstring(node) or ""


def spoken() -> Iterator[tuple[str, str]]:
    """Yield each page, help text and advice, and where it is."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        yield str(page.relative_to(ROOT)), re.sub(r"~~[^~]+~~", "", text)
    yield from help_texts()
    yield from ((places[0], hint) for hint, places in hint_texts().items())


def written() -> Iterator[tuple[str, str]]:
    """Yield each string of the package, and each script."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.value
    for script in (ROOT / "scripts").iterdir():
        if script.is_file() and not script.name.startswith("requirements"):
            yield f"scripts/{script.name}", script.read_text()


def test_no_word_that_is_retired_is_said_to_people() -> None:
    texts = [*spoken(), *written()]
    found = [f"{where}: {match[0]}" for where, text in texts for match in RETIRED.finditer(text)]
    assert found == []


def test_no_docstring_begins_with_a_clause_in_place_of_a_thing() -> None:
    assert [where for where, text in docstrings() if FREE_RELATIVE.match(text)] == []


def test_no_sentence_that_people_read_begins_with_one() -> None:
    found = [
        f"{where}: {sentence[:60]}"
        for where, text in spoken()
        for sentence in re.split(r"(?<=[.!?:])\s+|\n\n", text)
        if FREE_SUBJECT.match(sentence.strip(" *_>|-\n"))  # a heading may be a question
    ]
    assert found == []
