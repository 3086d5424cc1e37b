"""HTTP requests that are signed with a person's AWS credentials (Signature Version 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoRegionError
from botocore.httpsession import URLLib3Session
from botocore.session import get_session

from matinv import __version__
from matinv.backends.aws.errors import translated
from matinv.backends.aws.s3_bodies import Parts
from matinv.ports import Part

# Of a function's URL and of an HTTP API of API Gateway: who is asked, and where.
_SERVICES: Final = {"lambda-url": "lambda", "execute-api": "execute-api"}
_HOST: Final = re.compile(r"\.(lambda-url|execute-api)\.([a-z0-9-]+)\.")

_TIMEOUTS_S: Any = (3, 70)  # to connect, to answer: the function has 60
_THREADS: Final = 16  # of matinv.client


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


class Signed:
    """Sends requests to one API.

    Parameters
    ----------
    base_url : str
        The URL that all paths are below.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = get_session()
        self._http = URLLib3Session(timeout=_TIMEOUTS_S, max_pool_connections=_THREADS)

    def send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Reply:
        """Send a signed request.

        Raises
        ------
        Transient
            If it cannot be signed, or is not answered.
        """
        content = None if body is None else body.encode()  # of a str botocore counts characters
        request = AWSRequest(method, self._base_url + path, dict(headers), content)
        with translated(f"{method} {request.url}"):
            if match := _HOST.search(urlsplit(self._base_url).netloc):
                service, region = _SERVICES[match[1]], match[2]
            else:  # a name of its own, or this machine
                service, region = "lambda", self._session.get_config_variable("region")
                if not region:
                    raise NoRegionError
            who: Any = self._session.get_credentials()  # without any, signing says so
            SigV4Auth(who, service, region).add_auth(request)
            return self._sent(request)

    def send_plain(
        self, method: str, url: str, headers: Mapping[str, str], parts: Sequence[Part] = ()
    ) -> Reply:
        """Send a request that somebody has signed before; the parts are sent as they lie."""
        body: Any = Parts(parts) if parts else None
        with translated(f"{method} {urlsplit(url).netloc}"):  # its query is as good as a key
            return self._sent(AWSRequest(method, url, dict(headers), body))

    def _sent(self, request: Any) -> Reply:
        request.headers["User-Agent"] = f"matinv/{__version__}"
        answer = self._http.send(request.prepare())
        headers = {name.lower(): text for name, text in answer.headers.items()}
        return Reply(answer.status_code, headers, answer.content)
