"""``GET /jobs/{job_id}/result``: the inverse, in the form that the caller takes."""

from __future__ import annotations

from typing import Final

from matinv.client.results import converted, fetch_bytes, result_of, result_url
from matinv.errors import printable
from matinv.formats.codecs import CODECS, MEDIA_TYPES, Format
from matinv.http_api.problems import Problem
from matinv.http_api.request import Exchange
from matinv.http_api.responses import Response
from matinv.jobs.error_answers import NOT_ACCEPTABLE

URL_S: Final = 900

# Lambda's answers hold 6 MB, and bytes travel in it as base64, a third longer.
BODY_BYTES: Final = 4 * 2**20

_ANY: Final = ("*/*", "application/*")


def result(exchange: Exchange) -> Response:
    """Fetch the inverse."""
    accept = exchange.headers.get("accept", "*/*")
    client = exchange.services.client
    record = client.job(exchange.name).ended_record()
    stored = result_of(record)
    form = _chosen(accept, stored.format)
    headers = {"vary": "accept"}
    if stored.size_bytes <= BODY_BYTES:
        content = converted(fetch_bytes(client.store, record), record, form)
        if len(content) <= BODY_BYTES:
            body = content.decode() if CODECS[form].output.is_text else content
            return Response(200, MEDIA_TYPES[form], body, headers)
    return Response(303, None, "", headers | {"location": result_url(client.store, record, URL_S)})


def _chosen(accept: str, stored: Format) -> Format:
    """Return the format that a caller likes best; of two, the one that is stored.

    Raises
    ------
    Problem
        406.
    """
    # Media ranges and their weights (RFC 9110, 12.5.1).
    likes: dict[str, float] = {}
    for part in accept.split(","):
        range_, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word.removeprefix("q=") for word in parameters if word.startswith("q=")]
        try:
            likes[range_] = float(weights[0]) if weights else 1.0
        except ValueError:
            likes[range_] = 0.0
    # How a format is liked: the most exact of the ranges that hold its type says so.
    found: dict[Format, float] = {}
    for form in (stored, *Format):
        ranges = (MEDIA_TYPES[form], *reversed(_ANY))
        found[form] = next((likes[one] for one in ranges if one in likes), 0.0)
    best = max(found, key=lambda form: found[form])
    if found[best] > 0:
        return best
    offered = ", ".join(MEDIA_TYPES.values())
    raise Problem(
        NOT_ACCEPTABLE,
        "the request accepts no type that a result can have",
        f"accept: {offered}",
        observed=printable(accept, 100),
        limit=offered,
    )
