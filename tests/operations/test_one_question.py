"""One job id is one question, whoever asks: the Python client, the HTTP API, messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest

from matinv.client import Client
from matinv.errors import MatinvError
from support.api_server import ApiServer, serving
from support.memory_service import MemoryService

MATRIX: Final = [[1.0, 2.0], [3.0, 4.0]]
OTHER: Final = [[2.0, 0.0], [0.0, 4.0]]
OPTIONS: Final = (
    {},
    {"method": "pinv"},
    {"accuracy": "verified"},
    {"on_ill_conditioned": "fail"},
    {"output": "s3"},
    {"format": "npz"},
)
ACCEPTED: Final = "accepted"

Ask = Callable[[MemoryService, Any, dict[str, str]], str]


def submitted(client: Client, matrix: Any, options: dict[str, Any]) -> str:
    try:
        client.submit(matrix, job_id="a", **options)
    except MatinvError as error:
        return error.code
    return ACCEPTED


def by_client(service: MemoryService, matrix: Any, options: dict[str, str]) -> str:
    return submitted(service.client, matrix, options)


def by_client_of_the_api(service: MemoryService, matrix: Any, options: dict[str, str]) -> str:
    with serving(service) as api:
        return submitted(api.client, matrix, options)


def by_http(service: MemoryService, matrix: Any, options: dict[str, str]) -> str:
    answer = ApiServer(service).post("/jobs", {"job_id": "a", "matrix": matrix, **options})
    return ACCEPTED if answer.status < 400 else str(answer.code)


def by_message(service: MemoryService, matrix: Any, options: dict[str, str]) -> str:
    before = len(service.queue.dead)
    service.queue.send(json.dumps({"job_id": "a", "matrix": matrix, **options}))
    service.work()
    dead = service.queue.dead[before:]
    return dead[0].error_code if dead else ACCEPTED


WAYS: Final[dict[str, Ask]] = {
    "client": by_client,
    "client of the API": by_client_of_the_api,
    "HTTP": by_http,
    "message": by_message,
}


def own_format(way: str) -> str:
    """An array travels as numpy writes it, a body that a person writes as JSON."""
    return "npy" if "client" in way else "json"


@pytest.mark.parametrize(
    ("first", "second"),
    [  # 8 s
        pytest.param(
            first, second, marks=() if first == second != "client of the API" else pytest.mark.deep
        )
        for first, second in product(WAYS, WAYS)
    ],
)
def test_another_question_is_refused_and_the_same_one_is_not_done_twice(
    log: object, first: str, second: str
) -> None:
    service = MemoryService()
    for stands, comes in product(OPTIONS, OPTIONS):
        service.table.records.clear()
        assert WAYS[first](service, MATRIX, stands) == ACCEPTED
        service.work()
        record = service.table.records["a"]
        assert record.status.succeeded
        same = {"format": own_format(first)} | stands == {"format": own_format(second)} | comes
        for matrix in (MATRIX, OTHER):
            expected = ACCEPTED if same and matrix is MATRIX else "JOB_ID_CONFLICT"
            assert WAYS[second](service, matrix, comes) == expected
            service.work()
            assert service.table.records["a"] == record
