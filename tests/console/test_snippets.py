"""Lines to copy, quoted for the shell and for Python."""

from __future__ import annotations

from dataclasses import replace

from seeds import record

from matinv.console.snippets import command_line, python
from support.memory_service import SETTINGS


def test_names_are_quoted_for_the_shell() -> None:
    tagged = replace(record(0), tags={"who": "it's me; rm -rf"})
    assert """--tag 'who=it'"'"'s me; rm -rf'""" in command_line(tagged)


def test_names_are_quoted_for_python() -> None:
    tagged = replace(record(0), tags={"who": 'a"\n'})
    compile(python(tagged, SETTINGS), "snippet", "exec")
