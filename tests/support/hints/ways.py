"""Public ways into matinv, each of which returns the hint of what it says, "" where all is well."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from click.testing import CliRunner

from matinv import pipeline
from matinv.cli.app import cli
from matinv.client import Client
from matinv.client.client import MemoryClient
from matinv.errors import MatinvError
from matinv.jobs.lanes import Lane
from matinv.jobs.record import Status
from matinv.pipeline import direct_call
from support.api_server import ApiServer, serving
from support.memory_service import STANDARD, MemoryService

Way = Callable[[], str]
"""Does something in a service of its own, and returns the hint that it got."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A hint, an input that provokes it, and inputs that follow what it says.

    Parameters
    ----------
    hint : str
        As `support.hints.texts` reads it: ``{}`` stands for what is not constant.
    provoke : Way
        Gets the hint.
    follow : sequence of Way
        Each does one of the things that the hint advises; all must work.
    """

    hint: str
    provoke: Way
    follow: tuple[Way, ...]

    def is_given_by(self, found: str) -> bool:
        """Whether `found`, a hint or a line of stderr that ends with one, is this hint."""
        pattern = ".*".join(map(re.escape, self.hint.split("{}")))
        return re.search(f"(^|; |\\(){pattern}\\)?$", found.strip(), re.MULTILINE) is not None


def advice(hint: str, provoke: Way, *follow: Way) -> Advice:
    return Advice(hint, provoke, follow)


def npy(array: Any) -> bytes:
    """Return what numpy.save writes."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    """Return what numpy.savez writes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def hint_of(service: MemoryService) -> str:
    """Return what became of the one job of the last delivery."""
    assert service.report is not None
    (outcome,) = service.report.outcomes
    record = outcome.record
    error = outcome.error or (record.error if record else None)
    if error is None:
        assert record is not None
        assert record.status is Status.SUCCEEDED
        return ""
    assert error.hint
    return error.hint


def delivered(*bodies: object, lane: Lane = STANDARD, **files: bytes) -> Way:
    """Send messages to a worker of `lane`, one after the other; the last one's hint counts.

    The `files` stand in the inputs bucket, as ``NAME.npy``.
    """

    def way() -> str:
        service = MemoryService(lane=lane)
        for name, content in files.items():
            service.store.upload(f"{name}.npy", [content], {})
        for body in bodies:
            service.deliver(body)
        return hint_of(service)

    return way


def message(lane: Lane = STANDARD, **fields: Any) -> Way:
    """Send a message with these fields."""
    return delivered({"job_id": "a", **fields}, lane=lane)


def dropped(key: str, content: Any, **metadata: str) -> Way:
    """Drop a file into the inputs bucket; an array as numpy.save writes it."""

    def way() -> str:
        service = MemoryService()
        service.deliver(service.drop(key, content, **metadata))
        return hint_of(service)

    return way


def hurried(matrix: Any, seconds: float, **metadata: str) -> Way:
    """Drop a matrix where a worker has so many seconds for it, by its own estimates."""

    def way() -> str:
        service = MemoryService(lane=replace(STANDARD, timeout_s=seconds))
        service.remaining_s = seconds
        service.deliver(service.drop("a.npy", matrix, **metadata))
        return hint_of(service)

    return way


def python(*calls: Callable[[MemoryClient], object]) -> Way:
    """Do this with a client of a service in memory, one call after the other."""

    def way() -> str:
        client = Client.in_memory()
        try:
            for call in calls:
                call(client)
        except MatinvError as error:
            return error.info.hint
        return ""

    return way


def inverted(matrix: Any, **options: Any) -> Way:
    """Submit a matrix, and fetch its inverse."""
    return python(lambda client: client.submit(matrix, **options).result())


def command(*lines: str, working: bool = True, **files: Any) -> Way:
    """Run command lines of ``matinv`` in a directory with `files`; the last one's stderr counts.

    ``a_npy`` is the file ``a.npy``.
    """

    def way() -> str:
        service = MemoryService()
        service.working = working
        return ran(service.client, lines, files)

    return way


def over_http(*lines: str, **files: Any) -> Way:
    """Run command lines that know of a service the URL of its HTTP API, and nothing else."""

    def way() -> str:
        with serving() as api:
            api.working = True
            return ran(api.client, lines, files)

    return way


def ran(client: Client, lines: Sequence[str], files: Mapping[str, Any]) -> str:
    """Run command lines; return the last one's output if it failed."""
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        for name, content in files.items():
            data = content if isinstance(content, bytes) else npy(content)
            Path(name.replace("_", ".")).write_bytes(data)
        for line in lines:
            done = CliRunner().invoke(
                cli, line.split(), obj=client, prog_name="matinv", catch_exceptions=False
            )
    return done.output if done.exit_code else ""


def asked(
    method: str,
    path: str,
    body: Any = None,
    before: Callable[[ApiServer], object] | None = None,
    **options: Any,
) -> Way:
    """Ask the HTTP API of a service in memory."""

    def way() -> str:
        api = ApiServer()
        if before:
            before(api)
        text = body if isinstance(body, str | None) else json.dumps(body)
        answer = api(method, path, text, **options)
        if answer.status < 400:
            return ""
        assert answer.code
        return str(answer.tree.get("hint", ""))

    return way


def called(event: object) -> Way:
    """Call the function directly, as Lambda's ``invoke`` does."""

    def way() -> str:
        service = MemoryService()
        call = direct_call.call_of(event)
        deadline = pipeline.Deadline(lambda: 60.0, 60.0)
        answer = pipeline.answer(service.app, call.parsed, deadline, stored=call.stored)
        found: dict[str, Any] = direct_call.reply(answer)
        return str(found["error"]["hint"]) if "error" in found else ""

    return way


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


GOOD: Final = [[1.0, 2.0], [3.0, 4.0]]
EYE: Final = np.eye(2)
