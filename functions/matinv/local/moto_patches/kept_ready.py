"""Lambda functions of which no instances are kept ready: moto does not know that they could be."""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.urls import url_paths

_PATH = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[^/]+)/provisioned-concurrency$"


def add() -> None:
    """Answer GetProvisionedConcurrencyConfig as AWS does for a function without one."""
    url_paths[_PATH] = _none


def _none(*_: Any) -> tuple[int, dict[str, str], str]:
    kind = "ProvisionedConcurrencyConfigNotFoundException"
    body = {"Type": "User", "message": "No Provisioned Concurrency Config found for this function"}
    return 404, {"x-amzn-errortype": kind}, json.dumps(body)
