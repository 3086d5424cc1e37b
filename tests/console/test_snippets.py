"""Lines to copy, quoted for the shell and for Python."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from seeds import record

from matinv.console.snippets import command_line, python
from support.memory_service import SETTINGS, MemoryService

GOOD = [[2.0, 0.0], [0.0, 4.0]]


def test_names_are_quoted_for_the_shell() -> None:
    tagged = replace(record(0), tags={"who": "it's me; rm -rf"})
    assert """--tag 'who=it'"'"'s me; rm -rf'""" in command_line(tagged)


def test_names_are_quoted_for_python() -> None:
    tagged = replace(record(0), tags={"who": 'a"\n'})
    compile(python(tagged, SETTINGS), "snippet", "exec")


def test_a_job_that_was_no_npy_file_is_asked_for_as_it_was(service: MemoryService) -> None:
    service.client.submit(GOOD, job_id="a", format="json", method="general")
    service.work()
    record = service.table.records["a"]
    assert "--format json" in command_line(record)
    assert "--method general" in command_line(record)
    sent: list[str] = []
    program = python(record, SETTINGS).split("# fetch")[0]
    queue = SimpleNamespace(send_message=lambda **call: sent.append(call["MessageBody"]))
    boto3 = SimpleNamespace(client=lambda _: queue)
    numpy = SimpleNamespace(load=lambda _: np.array(GOOD), save=np.save)
    names = {"boto3": boto3, "np": numpy, "io": io, "json": json, "base64": base64}
    exec("\n".join(line for line in program.splitlines() if not line.startswith("import")), names)
    service.client.queue.send(sent[0])
    service.work()
    assert not service.queue.dead


def test_an_usual_job_has_no_options_to_name(service: MemoryService) -> None:
    service.client.submit(np.array(GOOD), job_id="a", format="npy")
    service.work()
    assert "--format" not in command_line(service.table.records["a"])
