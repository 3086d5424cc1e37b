"""The table of answers: complete, and the same for all who answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.requests import Request

from matinv.cli.errors import report
from matinv.client import ClientError, JobFailed
from matinv.console.errors import Bad, refused
from matinv.errors import PERMANENT, TRANSIENT, Code, ErrorInfo, MatinvError, Refused, Transient
from matinv.http_api.problems import problem_of
from matinv.jobs.error_answers import ANSWERS, Exit
from matinv.jobs.record import Status
from matinv.testing.contracts import full_record


def kinds(base: type[MatinvError]) -> Iterator[type[MatinvError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_code_that_an_error_can_have_has_an_answer() -> None:
    known = {code for kind in (MatinvError, *kinds(MatinvError)) for code in kind.codes}
    assert known <= ANSWERS.keys()
    of_requests = {"METHOD_NOT_ALLOWED", "NOT_ACCEPTABLE", "UNSUPPORTED_MEDIA_TYPE"}
    of_the_console = {"UNAUTHORIZED", "FORBIDDEN"}
    assert ANSWERS.keys() - known == of_requests | of_the_console
    assert Bad in kinds(MatinvError)
    assert ClientError in kinds(MatinvError)


@pytest.mark.parametrize("code", Code)
def test_an_answer_tells_whether_to_try_again(code: Code) -> None:
    answer = ANSWERS[code]
    assert (answer.status == 503) is (code in TRANSIENT)
    assert answer.status in {400, 409, 413, 422, 503}
    assert answer.exit is (Exit.REFUSED if code in PERMANENT else Exit.ERROR)


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize("failed", [False, True], ids=["refused", "of a job that failed"])
def test_api_console_and_command_answer_alike(
    code: Code, failed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = Refused if code in PERMANENT else Transient
    error: MatinvError = kind(code, "found", "do", observed=1, limit=2)
    if failed:
        info = ErrorInfo(code, "found", "do", "1", "2")
        error = JobFailed(replace(full_record(), status=Status.FAILED, error=info))
    problem = problem_of(error)
    console = refused(Request({"type": "http"}), error)
    assert problem.status == console.status_code
    assert (problem.status == 503) is (code in TRANSIENT and not failed)
    fields = json.loads(bytes(console.body))["error"]
    assert fields == {
        "code": code,
        "message": "found",
        "hint": "do",
        "observed": "1",
        "limit": "2",
        "retryable": code in TRANSIENT,
    }
    named = ("code", "hint", "observed", "limit", "retryable")
    assert {name: problem.document[name] for name in named} == {n: fields[n] for n in named}
    assert problem.document["detail"] == "found"
    assert report(error) is (Exit.FAILED if failed else ANSWERS[code].exit)
    assert capsys.readouterr().err.startswith(f"matinv: {code}: ")
