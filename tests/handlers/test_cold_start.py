"""What a worker loads, makes and asks for its first small job: counts, because times are noise.

A new name in the lists below costs every cold start, 0.5 to 5 ms of CPU for each module.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import pytest

from matinv.jobs.lanes import standard
from matinv.settings import Settings
from matinv.testing.events import sqs_event, url_event

pytestmark = pytest.mark.deep

# Runs in a fresh interpreter: notes who imports what, does one job, tells what it took.
WORKER = """
import json, sys

importers, libraries, made, calls = {}, [], [], []

class Witness:
    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while "importlib" in frame.f_globals["__name__"]:
            frame = frame.f_back
        importers.setdefault(name, frame.f_globals["__name__"])

class Context:
    aws_request_id = "first"
    memory_limit_in_mb = 1769
    def get_remaining_time_in_millis(self):
        return 60_000

there_before = set(sys.modules)
sys.meta_path.insert(0, Witness())
sys.addaudithook(lambda event, of: libraries.append(str(of[0])) if event == "ctypes.dlopen" else 0)
from matinv.handlers.worker import handler
from matinv.backends.aws import clients

session = clients._session()
session.register("creating-client-class", lambda event_name, **_: made.append(event_name))
session.register("before-send", lambda event_name, **_: calls.append(event_name))
answer = handler(json.load(sys.stdin), Context())
print(json.dumps({
    "answer": answer,
    "importers": {name: importers.get(name, "?") for name in {*sys.modules} - there_before},
    "libraries": libraries,
    "made": [name.removeprefix("creating-client-class.") for name in made],
    "calls": [name.removeprefix("before-send.") for name in calls],
}))
"""

OURS = """
    matinv matinv.cores matinv.errors
    matinv.linalg matinv.linalg.ball matinv.linalg.bounds matinv.linalg.budget matinv.linalg.crew
    matinv.linalg.step_up matinv.linalg.certificate matinv.linalg.closed_form matinv.linalg.gates
    matinv.linalg.definite matinv.linalg.determinant matinv.linalg.doubled matinv.linalg.held
    matinv.linalg.integers matinv.linalg.pairs
    matinv.linalg.gauss_jordan matinv.linalg.hermitian matinv.linalg.inverse matinv.linalg.kernels
    matinv.linalg.lapack matinv.linalg.large matinv.linalg.layout
    matinv.linalg.progress matinv.linalg.pseudo_inverse
    matinv.linalg.scaling matinv.linalg.schulz matinv.linalg.self_test matinv.linalg.small
    matinv.linalg.types matinv.linalg.verified matinv.linalg.definite matinv.linalg.held
    matinv.linalg.integers
    matinv.formats matinv.formats.codecs matinv.formats.foreign matinv.formats.json_matrix
    matinv.formats.json_rows matinv.formats.json_text matinv.formats.npy matinv.formats.npy_header
    matinv.formats.npz
    matinv.formats.npz_archive matinv.formats.opened matinv.formats.result matinv.formats.shape
    matinv.jobs matinv.jobs.ids matinv.jobs.intake matinv.jobs.lanes matinv.jobs.limits
    matinv.jobs.message matinv.jobs.ownership matinv.jobs.record matinv.jobs.request
    matinv.jobs.times matinv.jobs.fairness matinv.jobs.runs matinv.jobs.prices
    matinv.ports matinv.ports.capacity matinv.ports.events matinv.ports.messages
    matinv.ports.objects matinv.ports.parallel matinv.ports.records matinv.ports.runs
    matinv.ports.service
    matinv.pipeline matinv.pipeline.admission matinv.pipeline.announce matinv.pipeline.app
    matinv.pipeline.attempt matinv.pipeline.batch matinv.pipeline.bill matinv.pipeline.dedupe
    matinv.pipeline.direct
    matinv.pipeline.finish
    matinv.pipeline.invert matinv.pipeline.load matinv.pipeline.outcome matinv.pipeline.publish
    matinv.pipeline.retry matinv.pipeline.task matinv.pipeline.watch matinv.pipeline.running
    matinv.backends matinv.backends.aws matinv.backends.aws.calls matinv.backends.aws.clients
    matinv.backends.aws.dynamodb matinv.backends.aws.dynamodb_items
    matinv.backends.aws.dynamodb_runs matinv.backends.aws.dynamodb_writes
    matinv.backends.aws.errors matinv.backends.aws.s3
    matinv.backends.aws.s3_bodies matinv.backends.aws.s3_multipart matinv.backends.aws.sqs
    matinv.handlers matinv.handlers.worker matinv.isolation matinv.isolation.child
    matinv.isolation.suspects
    matinv.settings matinv.telemetry
    matinv.wiring
"""

OTHERS = """
    numpy orjson
    botocore dateutil jmespath six urllib3 certifi
    aws_lambda_powertools pydantic_core typing_extensions
"""

# What is easily loaded by accident: of the packages that may be, and of the standard library.
HEAVY = """
    numpy.f2py numpy.fft numpy.ma numpy.polynomial numpy.random numpy.testing
    matinv.cli matinv.client matinv.local matinv.backends.memory matinv.backends.http
    matinv.http_api matinv.testing
    matinv.backends.aws.sns matinv.backends.http.sigv4
    scipy scipy_openblas64 boto3 s3transfer pydantic moto click rich pytest
    asyncio http.server multiprocessing smtplib sqlite3 unittest
"""

# For scripts/docs; a request is answered without.
DOCUMENTATION = """
    aws_lambda_powertools.event_handler aws_lambda_powertools.utilities.data_classes
    matinv.http_api.models matinv.http_api.openapi jsonschema
"""


@dataclass(frozen=True)
class FirstJob:
    """What the worker told of its first job."""

    answer: dict[str, Any]
    importers: dict[str, str]
    libraries: list[str]
    made: list[str]
    calls: list[str]

    def chain(self, name: str) -> str:
        """Say who imported a module, and who imported that, up to the worker."""
        names = [name]
        while (importer := self.importers.get(names[-1])) and importer not in names:
            names.append(importer)
        return " <- ".join(names)

    def chains(self, names: set[str]) -> str:
        return "\n".join(self.chain(name) for name in sorted(names))


@pytest.fixture
def settings(table_name: str, queue_urls: tuple[str, str, str]) -> Settings:
    """Name buckets that do not exist: a small job needs none."""
    return Settings("no-inputs", "no-results", table_name, standard(queue_urls[0]), queue_urls[1])


def do_first(settings: Settings, body: Any) -> FirstJob:
    """Let a fresh worker handle one message."""
    return handle_first(settings, WORKER, sqs_event([body]))


def handle_first(settings: Settings, script: str, event: Any) -> FirstJob:
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(event),
        env={**os.environ, **settings.to_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return FirstJob(**json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def small_job(at_moto: str, settings: Settings) -> FirstJob:
    first = do_first(settings, {"job_id": "first", "matrix": [[1, 2], [3, 4]]})
    assert first.answer == {"batchItemFailures": []}
    return first


def test_a_small_job_loads_what_it_needs_and_nothing_else(small_job: FirstJob) -> None:
    loaded = set(small_job.importers)
    ours = {name for name in loaded if name.partition(".")[0] == "matinv"}
    others = {name.partition(".")[0] for name in loaded} - {"matinv", *sys.stdlib_module_names}
    others = {name for name in others if not name.startswith("_")}  # compiled parts of others

    assert small_job.chains(ours - {*OURS.split()}) == ""
    assert small_job.chains(others - {*OTHERS.split()}) == ""
    assert small_job.chains(loaded & {*HEAVY.split()}) == ""
    gone = {*OURS.split(), *OTHERS.split()} - ours - others
    assert gone == set(), "loaded no more: take it off the list, so that it stays away"


def test_only_a_large_matrix_opens_lapack(small_job: FirstJob, settings: Settings) -> None:
    large = [[2 if i == j else 0 for j in range(300)] for i in range(300)]
    body = {"job_id": "large", "matrix": large}

    assert not [name for name in small_job.libraries if "openblas" in name]
    assert [name for name in do_first(settings, body).libraries if "openblas" in name]


def test_a_small_job_takes_one_client_and_two_calls(small_job: FirstJob) -> None:
    assert small_job.made == ["dynamodb"]
    assert small_job.calls == ["dynamodb.BatchGetItem", "dynamodb.PutItem"]


def test_a_refused_job_also_takes_the_client_of_the_queues(
    at_moto: str, settings: Settings
) -> None:
    first = do_first(settings, {"job_id": "refused", "matrix": [[1, 2], [2, 4]]})

    assert first.made == ["dynamodb", "sqs"]
    assert first.calls == ["dynamodb.BatchGetItem", "sqs.SendMessageBatch", "dynamodb.PutItem"]


def test_a_result_that_is_stored_also_takes_the_client_of_the_store(
    at_moto: str, settings: Settings, buckets: tuple[str, str]
) -> None:
    inputs, results = buckets
    settings = replace(settings, inputs_bucket=inputs, results_bucket=results)
    first = do_first(settings, {"job_id": "stored", "matrix": [[2]], "output": "s3"})

    assert first.made == ["dynamodb", "s3"]
    assert first.calls == ["dynamodb.BatchGetItem", "s3.PutObject", "dynamodb.PutItem"]


def test_only_a_topic_takes_a_client_of_topics(
    at_moto: str, settings: Settings, topic_arn: str
) -> None:
    settings = replace(settings, events_topic_arn=topic_arn)
    first = do_first(settings, {"job_id": "announced", "matrix": [[2]]})

    assert first.made == ["dynamodb", "sns"]
    assert first.calls == ["dynamodb.BatchGetItem", "dynamodb.PutItem", "sns.PublishBatch"]


def test_a_direct_call_loads_nothing_of_the_http_api(at_moto: str, settings: Settings) -> None:
    script = WORKER.replace("matinv.handlers.worker", "matinv.handlers.api")
    call = handle_first(settings, script, {"matrix": [[1, 2], [3, 4]]})
    assert call.answer["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    assert call.chains(set(call.importers) & {*HEAVY.split()}) == ""


@pytest.mark.parametrize(
    ("body", "path"), [('{"matrix": [[1, 2], [3, 4]]}', "/invert"), (None, "/openapi.json")]
)
def test_a_request_loads_no_router_no_models_and_nothing_that_makes_documents(
    at_moto: str, settings: Settings, body: str | None, path: str
) -> None:
    script = WORKER.replace("matinv.handlers.worker", "matinv.handlers.api")
    first = handle_first(settings, script, url_event(body, path, method="POST" if body else "GET"))
    assert first.answer["statusCode"] == 200
    assert "matinv.http_api" in first.importers
    heavy = {*HEAVY.split(), *DOCUMENTATION.split()} - {"matinv.http_api", "matinv.client"}
    assert first.chains(set(first.importers) & heavy) == ""
    assert first.calls == []
