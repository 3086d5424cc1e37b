"""The HTTP API as its callers see it: requests, and problems as the service's own errors."""

from __future__ import annotations

import json
import re
from typing import Final

from matinv.backends.aws.calls import pause
from matinv.backends.aws.errors import HINTS, of_code
from matinv.backends.http.sigv4 import Reply, Signed
from matinv.errors import TRANSIENT, Code, MatinvError, Refused, Transient

_JSON: Final = {"content-type": "application/json"}
_ATTEMPTS: Final = 4
_TOO_MANY: Final = 429
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class UnknownProblem(MatinvError):
    """A problem whose code this client does not know, as it was said."""

    def __init__(self, code: str, status: int, message: str, hint: str, **facts: object) -> None:
        self.codes = frozenset({code})
        self.status = status
        super().__init__(code, message, hint, **facts)


class Api:
    """The API, whose problems are the service's own errors.

    Parameters
    ----------
    url : str
        Of the function, or of a stage of an API Gateway.
    """

    def __init__(self, url: str) -> None:
        self.http = Signed(url)

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        missing: tuple[int, ...] = (),
    ) -> Reply:
        """Return the answer to a request; one with a status in `missing` is none of its errors.

        A caller who came too often waits and comes again.

        Raises
        ------
        MatinvError
            The error of a problem document.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            reply = self.http.send(method, path, body, _JSON if body is not None else {})
            if reply.status != _TOO_MANY or attempt == _ATTEMPTS:
                break
            pause(attempt + 4)  # about a second: what the API asks for
        if reply.status < 400 or reply.status in missing:
            return reply
        raise error_of(reply)


def error_of(reply: Reply) -> MatinvError:
    """Return the error in an answer; one that is not the API's own is known by its status."""
    try:
        problem = json.loads(reply.content)
    except ValueError:
        problem = {}
    fields = problem if isinstance(problem, dict) else {}
    found = fields.get("detail") or f"the API answered with status {reply.status}"
    said = fields.get("code")
    facts = {"observed": fields.get("observed"), "limit": fields.get("limit")}
    known = isinstance(said, str) and said in set(Code)
    if not known and isinstance(said, str) and _CODE.fullmatch(said):
        return UnknownProblem(said, reply.status, str(found), fields.get("hint") or "", **facts)
    code = Code(str(said)) if known else of_code("", reply.status)
    if not known and 400 <= reply.status < 500 and reply.status not in {401, 403, _TOO_MANY}:
        code = Code.BAD_MESSAGE
    kind = Transient if code in TRANSIENT else Refused
    hint = fields.get("hint") or HINTS.get(code, "")
    return kind(code, found, hint, **facts)
