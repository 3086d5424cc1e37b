"""functions/README.md is true: its map, its glossary, and each place that it names."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FUNCTIONS = ROOT / "functions"
PACKAGE = FUNCTIONS / "matinv"
README = (FUNCTIONS / "README.md").read_text()
LINK = re.compile(r"\[[^\]]+\]\(([^)]+)\)")
MODULE = re.compile(r"`([a-z_0-9/]+\.py)`")


def section(heading: str) -> str:
    return README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = re.findall(r"^\|(.+)\|$", section(heading), re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def classes_of(path: Path) -> set[str]:
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)
    }


FOLDERS = [re.sub(r"\[`(.+)`\].*", r"\1", folder) for folder, _ in rows("Map")]
GLOSSARY = {word: where for word, _, where in rows("Glossary")}
RETIRED = dict(
    re.findall(r"~~([^~]+)~~ ([^,.]+)", section("Glossary").split("Words that are not used")[1])
)


def test_the_map_has_each_folder_of_modules_and_no_other() -> None:
    with_modules = {
        path.parent.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE
    }
    assert sorted(FOLDERS) == sorted(with_modules)


def test_the_map_is_in_the_order_in_which_folders_import() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    height = {
        name.strip(): number
        for number, layer in enumerate(layers)
        for name in layer.replace("matinv.", "").split("|")
    }
    heights = [height[folder.split("/")[0]] for folder in FOLDERS]
    # The backends and the pipeline are one layer, and so are the client and isolation.
    assert heights == sorted(heights)


def test_each_module_of_the_package_s_root_is_named_below_the_map() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\[`(\w+\.py)`\]", section("Map"))) == modules


@pytest.mark.parametrize("place", sorted(set(LINK.findall(README))))
def test_a_link_leads_to_something(place: str) -> None:
    if place.startswith("#"):
        heading = re.sub(r"[^\w -]", "", place[1:])
        titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
        assert heading in {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
    else:
        assert (FUNCTIONS / place).exists()


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([a-z_0-9]+/[^` ]+)`", README))))
def test_a_path_is_there(place: str) -> None:
    outside = place.startswith(("tests/", "infra/", "scripts/"))
    assert ((ROOT if outside else PACKAGE) / place).exists()


@pytest.mark.parametrize("word", GLOSSARY)
def test_a_word_of_the_glossary_is_defined_where_it_says(word: str) -> None:
    place = PACKAGE / MODULE.findall(GLOSSARY[word])[0]
    assert place.exists()
    named = re.match(r"`(\w+)`", GLOSSARY[word])
    if named:
        assert named[1] in classes_of(place)


def test_a_class_that_bears_a_word_of_the_glossary_is_the_one_that_it_names() -> None:
    homes = {
        "".join(part.capitalize() for part in word.split()): PACKAGE / MODULE.findall(where)[0]
        for word, where in GLOSSARY.items()
    }
    elsewhere = [
        f"{name} in {path.relative_to(PACKAGE)}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "http_api" / "models.py"  # names of the OpenAPI document
        for name in classes_of(path)
        if name in homes and homes[name] != path
    ]
    assert elsewhere == []


def test_the_glossary_is_in_order() -> None:
    assert list(GLOSSARY) == sorted(GLOSSARY)


def test_no_name_has_a_word_that_is_not_used() -> None:
    forms = {
        f"{stem}{end}"
        for word in RETIRED
        for stem in (word, word.removesuffix("y") + "i")
        for end in ("", "s", "ed", "es", "ing")
    } | {"standin", "stand_in", "told"}
    names = [
        (path, name)
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in [
            path.stem,
            *(
                node.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            ),
        ]
    ]
    found = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path, name in names
        if forms & {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    ]
    assert found == []
