"""Matrices through an HTTP API."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.errors import Refused
from support.api_server import ApiServer
from support.memory_service import general


def test_an_upload_that_lost_a_race_is_a_conflict(api: ApiServer) -> None:
    upload = api.service.store.upload_url

    def overtaken(key: str, *arguments: Any, **options: Any) -> Any:
        place = upload(key, *arguments, **options)
        api.service.store.upload(key, [b"other"], {})
        return place

    api.service.store.upload_url = overtaken  # type: ignore[method-assign]
    with pytest.raises(Refused, match="JOB_ID_CONFLICT"):
        api.client.submit(general(200), job_id="big")
