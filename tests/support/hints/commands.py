"""Advice of the Python client and of the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np

from matinv.client.client import MemoryClient
from matinv.errors import MatinvError
from matinv.jobs.lanes import standard
from matinv.operations.health import snapshot
from matinv.operations.throughput import Recent
from matinv.settings import Settings
from support.api_server import serving
from support.bodies import SINGULAR
from support.hints.ways import EYE, GOOD, Advice, Way, advice, command, over_http, python, ran
from support.memory_service import MemoryService, general

_LARGE: Final = general(200)
_HUGE: Final = general(800)  # more than one answer of the API holds
_STACK: Final = np.stack([EYE, np.zeros((2, 2)), 2 * EYE])
_SETTINGS: Final = Settings(
    "inputs", "results", "jobs", standard("https://sqs.test/jobs"), "https://sqs.test/dead"
)
_OUTPUTS: Final = json.dumps({"environment": {"value": _SETTINGS.to_environment()}}).encode()


def _submit(job_id: str = "a", matrix: Any = GOOD, **options: Any) -> Any:
    return lambda client: client.submit(matrix, job_id=job_id, **options)


def _stop(client: MemoryClient) -> None:
    client.working = False


def _go_on(client: MemoryClient) -> None:
    client.working = True


def _wait(timeout_s: float) -> Any:
    return lambda client: client.wait(["a"], timeout_s=timeout_s)


def _result(job_id: str = "a", **options: Any) -> Any:
    return lambda client: client.job(job_id).result(**options)


def _superseded(*then: Any) -> Way:
    """Submit a job, let another input take its id, and ask the first one for its result."""

    def call(client: MemoryClient) -> None:
        client.working = False
        job = client.submit(GOOD, job_id="a")
        client.submit([[5.0]], job_id="a", replace=True)
        client.working = True
        client.work()
        if not then:
            job.result()

    return python(call, *then)


def _changed_result(*then: Any) -> Way:
    """Change what is stored of a result, and verify it."""

    def call(client: MemoryClient) -> None:
        job = client.submit(GOOD, job_id="a", output="s3")
        record = job.ended_record()
        assert record.result is not None
        wrong = replace(record.result, sha256=64 * "0")
        client.memory_table.records["a"] = replace(record, result=wrong)
        if not then:
            client.job("a").result(verify=GOOD)

    return python(call, *then)


def _changed_record(*then: str) -> Way:
    """Let a record name another hash than its result has."""
    service = MemoryService()
    service.client.submit(GOOD, job_id="a").wait()
    record = service.table.records["a"]
    assert record.result is not None
    wrong = replace(record.result, sha256=64 * "0")
    service.table.records["a"] = replace(record, result=wrong)

    def way() -> str:
        return ran(service.client, ["submit a.npy --job-id c --wait", *then], {"a_npy": EYE})

    return way


def _after_a_failure(method: str, attempts: int) -> Way:
    """Submit and fetch a huge matrix, while S3 fails the first request of this method."""

    def way() -> str:
        with serving() as api:
            s3, broken = api._object, [method]

            def object_(event: Any, path: str) -> dict[str, Any]:
                if event["requestContext"]["http"]["method"] in broken:
                    broken.clear()
                    return {"statusCode": 503, "headers": {}, "body": "", "isBase64Encoded": True}
                return s3(event, path)

            api._object = object_  # type: ignore[method-assign]
            api.working = True
            hint = ""
            for _ in range(attempts):
                try:
                    job = api.client.submit(_HUGE, job_id="a")
                    job.wait()
                    assert np.allclose(job.result() @ _HUGE, np.eye(len(_HUGE)))
                    hint = ""
                except MatinvError as error:
                    hint = error.info.hint
        return hint

    return way


def _unknown_over_http() -> str:
    with serving() as api:
        return snapshot(api.client, Recent(3600)).unknown[0].error.hint


def _letter_that_is_no_job(*then: str) -> Way:
    """Redrive a dead letter that cannot be sent back."""
    service = MemoryService()
    service.queue.give_up('{"matrx": [[1]]}')
    lines = then or ("dlq redrive",)
    return lambda: ran(service.client, lines, {"a_npy": EYE})


COMMANDS: Final[tuple[Advice, ...]] = (
    # The client.
    advice(
        "choose another job id (of many: --prefix), or replace what it has: replace=True, "
        "--replace",
        python(_submit(), _submit(matrix=EYE)),
        python(_submit(), _submit("b", EYE)),
        python(_submit(), _submit(matrix=EYE, replace=True)),
        command("submit a.npy", "submit --replace --job-id a b.npy", a_npy=EYE, b_npy=2 * EYE),
        command("submit --job-id b a.npy", "submit --prefix p b.npy", a_npy=EYE, b_npy=2 * EYE),
    ),
    advice(
        "say the options that it has, leave out what is done (--skip-done), or do it again: "
        "replace=True, --replace",
        python(_submit(method="pinv"), _submit()),
        python(_submit(method="pinv"), _submit(method="pinv")),
        python(_submit(method="pinv"), _submit(replace=True)),
        command("submit a.npy --method pinv", "wait a", "submit a.npy --skip-done", a_npy=EYE),
        command("submit a.npy --method pinv", "wait a", "submit a.npy --replace", a_npy=EYE),
    ),
    advice(
        "use one of the allowed values",
        python(_submit(method="lu")),
        python(_submit(method="general")),
    ),
    advice(
        "use one of the allowed values, in upper or lower case",
        python(lambda client: list(client.list("done"))),
        python(lambda client: list(client.list("succeeded"))),
        python(lambda client: list(client.list("SUCCEEDED"))),
    ),
    advice(
        "the jobs go on: wait again, with a longer timeout",
        python(_stop, _submit(), _wait(5)),
        python(_stop, _submit(), _go_on, _wait(60), _result()),
    ),
    advice(
        "read what it is about: matinv status {}; choose another job id for this input",
        _superseded(),
        _superseded(lambda client: client.job("a").record()),
        _superseded(_submit("b"), _result("b")),
        command("submit a.npy", "status a", a_npy=EYE),
    ),
    advice(
        'fetch it with matinv result {}, or submit with "output": "s3"',
        python(_submit(), lambda client: client.job("a").result_url()),
        command("submit a.npy --wait", "result a -o x.npy", a_npy=EYE),
        python(_submit(output="s3"), lambda client: client.job("a").result_url()),
    ),
    advice(
        "is this the matrix that was submitted? If so, report this",
        python(_submit(matrix=_LARGE), _result(verify=_LARGE.T)),
        python(_submit(matrix=_LARGE), _result(verify=_LARGE)),
    ),
    advice(
        "pass the matrix that was sent",
        python(_submit(), _result(verify=EYE)),
        python(_submit(), _result(verify=GOOD)),
    ),
    advice(
        "pass the matrix that was sent (Python: verify=matrix; CLI: --input FILE; of many: "
        "--inputs DIR)",
        python(_submit(), _result(verify=True)),
        python(_submit(), _result(verify=GOOD)),
        command(
            "submit a.npy --wait", "result a --verify --input a.npy -o x.npy", a_npy=np.array(GOOD)
        ),
    ),
    advice(
        "submit a corrected message, and delete this one: matinv dlq delete",
        _letter_that_is_no_job(),
        _letter_that_is_no_job("submit a.npy", "dlq delete --code BAD_MESSAGE"),
    ),
    # The command line.
    advice(
        "fetch it by itself: matinv result {} -o FILE",
        command("submit a.npy --wait --job-id c.npy/a", "fetch c.npy/a -o .", a_npy=EYE, c_npy=EYE),
        command("submit a.npy --wait", "result a -o x.npy", a_npy=EYE),
    ),
    advice(
        "fetch it again; if that does not help, submit the matrix again",
        _changed_record("fetch a -o out"),
        command("submit a.npy --wait", "fetch a -o out", "fetch a -o out", a_npy=EYE),
        _changed_record("submit a.npy --job-id b --wait", "fetch b -o out"),
        _changed_result(_submit("b"), _result("b", verify=GOOD)),
    ),
    advice(
        "delete it through the stack itself: matinv --stack",
        over_http("submit a.npy", "wait a", "delete a", a_npy=EYE),
        command("submit a.npy", "wait a", "delete a", a_npy=EYE),
    ),
    advice(
        "check the id and the stack; records are deleted after their retention time",
        command("submit a.npy", "status b", a_npy=EYE),
        command("submit a.npy", "status a", a_npy=EYE),
    ),
    advice(
        "check the path and its permissions",
        command("submit a.npy"),
        command("submit a.npy", a_npy=EYE),
    ),
    advice("see: {} --help", command("submit --nope"), command("submit --help")),
    advice(
        "wait for it: matinv wait {}",
        command("submit a.npy", "result a", a_npy=EYE, working=False),
        command("submit a.npy", "wait a", "result a -o x.npy", a_npy=EYE),
    ),
    advice(
        "it continues: matinv wait {}",
        command("submit a.npy", "wait a --timeout 5s", a_npy=EYE, working=False),
        command("submit a.npy", "wait a", a_npy=EYE),
    ),
    advice(
        "it continues: matinv wait --run {}",
        command("submit a.npy --run r", "wait --run r --timeout 5s", a_npy=EYE, working=False),
        command("submit a.npy --run r", "wait --run r", a_npy=EYE),
    ),
    advice(
        "see which: matinv status {}",
        command("submit a.npy --wait", "result a -o x.npy", a_npy=_STACK),
        command("submit a.npy --wait", "status a", a_npy=_STACK),
    ),
    advice(
        "rename one of the files, or submit them one by one with --job-id",
        command("submit a.npy a.json", a_npy=EYE, a_json=b"[[2]]"),
        command("submit a.npy b.json", a_npy=EYE, b_json=b"[[2]]"),
        command("submit a.npy", "submit a.json --job-id b", a_npy=EYE, a_json=b"[[2]]"),
    ),
    advice(
        "use a smaller matrix, float32, or another method",
        command("estimate --n 28000"),
        command("estimate --n 2000"),
        command("estimate --n 28000 --dtype float32"),
    ),
    advice(
        "is a worker running (matinv local worker), is its trigger enabled? See its log",
        command("doctor --timeout 5s", working=False),
        command("doctor --timeout 5s"),
    ),
    advice(
        "see: matinv status {}",
        command("submit a.npy --wait", "dlq redrive --job-id a", a_npy=EYE),
        command("submit a.npy --wait", "status a", a_npy=EYE),
    ),
    advice(
        "check the id and the stack; records are deleted after their retention time",
        command("submit a.npy --wait", "dlq redrive --job-id b", a_npy=EYE),
        command("submit a.npy --wait", "status a", a_npy=EYE),
    ),
    # Terraform's outputs.
    advice(
        "name a Terraform root, or a file of its outputs",
        command("env --stack nowhere"),
        command("env --stack a.json", a_json=_OUTPUTS),
    ),
    advice(
        "name a file that holds nothing else",
        command("env --stack a.json", a_json=b"[1]"),
        command("env --stack a.json", a_json=_OUTPUTS),
    ),
    advice(
        "run terraform apply there, or select its workspace",
        command("env --stack a.json", a_json=b"{}"),
        command("env --stack a.json", a_json=_OUTPUTS),
    ),
    advice(
        "name the service's root",
        command("env --stack a.json", a_json=b'{"other": {"value": "x"}}'),
        command("env --stack a.json", a_json=_OUTPUTS),
    ),
    # Through the HTTP API.
    advice("send it again", _after_a_failure("PUT", 1), _after_a_failure("PUT", 2)),
    advice("fetch it again", _after_a_failure("GET", 1), _after_a_failure("GET", 2)),
    advice(
        "pass the matrix itself: --input FILE",
        over_http("submit a.npy --wait", "result a --verify -o x.npy", a_npy=_LARGE),
        over_http("submit a.npy --wait", "result a --verify --input a.npy -o x.npy", a_npy=_LARGE),
    ),
    advice(
        "fetch it",
        over_http("submit a.npy --wait", "result a --url", a_npy=EYE),
        over_http("submit a.npy --wait", "result a -o x.npy", a_npy=EYE),
    ),
    advice(
        "matinv dlq redrive --job-id ID works",
        over_http("submit a.npy --wait", "dlq list", a_npy=np.array(SINGULAR)),
        over_http(
            "submit a.npy --wait", "dlq redrive --job-id a --method pinv", a_npy=np.array(SINGULAR)
        ),
    ),
    advice(
        "use --stack, or the MATINV_* settings",
        _unknown_over_http,
        command("top --once"),
    ),
    advice(
        "use the stack itself: --stack, or MATINV_*",
        over_http("doctor"),
        command("doctor"),
    ),
)
