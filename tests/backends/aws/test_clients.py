from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from matinv.backends.aws import clients
from matinv.backends.aws.sqs import SQSQueue
from matinv.errors import Transient


@pytest.fixture
def made() -> list[str]:
    """Return the names of the clients that are made from now on."""
    names: list[str] = []
    clients._session().register(
        "creating-client-class", lambda event_name, **_: names.append(event_name.split(".")[1])
    )
    return names


def test_a_client_is_made_when_it_is_first_used(made: list[str], at_moto: str) -> None:
    client = clients.client("s3")
    assert made == []
    client.list_buckets()
    client.list_buckets()
    assert made == ["s3"]


def test_threads_that_use_a_client_at_once_share_it(made: list[str], at_moto: str) -> None:
    client = clients.client("sqs")
    together = Barrier(8)

    def use(_: int) -> Any:
        together.wait()
        return client.meta

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(8)))
    assert all(meta is client.meta for meta in found)
    assert made == ["sqs"]


def test_a_region_that_is_missing_is_reported_like_any_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    queue = SQSQueue(clients.client("sqs"), "https://sqs/jobs", "https://sqs/dead")
    with pytest.raises(Transient, match=r"ACCESS_DENIED: .*region"):
        queue.send("{}")


def test_requests_are_not_logged_where_everything_else_is(
    at_moto: str,
    queue_urls: tuple[str, str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.NOTSET)
    clients._session.cache_clear()
    with caplog.at_level(logging.DEBUG):
        SQSQueue(clients.client("sqs"), *queue_urls[:2]).send("canary")
    assert "POST" in caplog.text  # of urllib3, which names the address alone
    assert "canary" not in caplog.text
    assert "Authorization" not in caplog.text
