"""Who may talk to the console: tried by plain HTTP, as any other program on the machine could."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from browsing import Console, running

from matinv.console.app import Limits
from matinv.console.server import listen
from support.memory_service import MemoryService

CSRF = "x-matinv-csrf"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


@dataclass
class Caller:
    console: Console
    headers: dict[str, str] = field(default_factory=dict)

    def call(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in (self.headers | named).items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.console.session.port, timeout=30)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()


@pytest.fixture
def stranger(console: Console) -> Caller:
    return Caller(console)


@pytest.fixture
def person(console: Console) -> Caller:
    return entered(console)


def entered(console: Console) -> Caller:
    """Return one who has opened the link, and may change things."""
    answer = Caller(console).call(console.link.removeprefix(console.address))
    assert answer.status == 303
    cookie = answer.headers["set-cookie"].partition(";")[0]
    headers = {"cookie": cookie, "origin": console.address, CSRF: console.session.csrf}
    return Caller(console, headers)


EVERYWHERE = ["/", "/api/session", "/api/live", "/api/job?id=a", "/static/app.js", "/nowhere"]
MATRIX = b"[[1,2],[3,4]]"


@pytest.mark.parametrize("path", EVERYWHERE)
def test_nothing_is_told_to_those_without_the_cookie(stranger: Caller, path: str) -> None:
    assert stranger.call(path).status == 401


def test_the_link_gives_a_cookie_that_scripts_and_other_sites_do_not_get(stranger: Caller) -> None:
    console = stranger.console
    answer = stranger.call(console.link.removeprefix(console.address))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    options = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= options


def test_the_link_works_once(console: Console, stranger: Caller) -> None:
    path = console.link.removeprefix(console.address)
    assert stranger.call(path).status == 303
    again = stranger.call(path)
    assert again.status == 401
    assert b"used before" in again.body


def test_a_guessed_token_gets_nothing(stranger: Caller) -> None:
    assert stranger.call("/?token=guess").status == 401


def test_a_foreign_cookie_gets_nothing(console: Console, person: Caller) -> None:
    assert person.call("/api/session", cookie=f"{console.session.cookie}=guess").status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80"])
def test_a_foreign_name_that_leads_here_is_refused(person: Caller, host: str) -> None:
    answer = person.call("/api/session", host=host)
    assert (answer.status, answer.error["code"]) == (403, "FORBIDDEN")


def test_this_machines_own_name_is_welcome(console: Console, person: Caller) -> None:
    assert person.call("/api/session", host=f"localhost:{console.session.port}").status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_reads_that_another_page_makes_are_refused(person: Caller, site: str) -> None:
    assert person.call("/api/session", sec_fetch_site=site).status == 403


@pytest.mark.parametrize(
    "path",
    ["/api/jobs", "/api/dead-letters/redrive", "/api/dead-letters/delete", "/api/run/cancel"],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {CSRF: None},
        {CSRF: "guess"},
    ],
)
def test_changes_need_this_pages_origin_and_token(
    service: MemoryService, person: Caller, path: str, headers: dict[str, str | None]
) -> None:
    answer = person.call(path, "POST", MATRIX, **headers)
    assert (answer.status, answer.error["code"]) == (403, "FORBIDDEN")
    assert service.queue.sent == []


def test_a_change_of_this_page_is_made(service: MemoryService, person: Caller) -> None:
    answer = person.call("/api/jobs?job_id=a", "POST", MATRIX)
    assert (answer.status, json.loads(answer.body)["job_id"]) == (201, "a")
    assert len(service.queue.sent) == 1


@pytest.mark.parametrize("path", EVERYWHERE[:2] + EVERYWHERE[4:])
def test_every_answer_forbids_scripts_of_others_frames_and_guessing(
    person: Caller, path: str
) -> None:
    headers = person.call(path).headers
    parts = headers["content-security-policy"].split(";")
    policy = dict(part.strip().split(" ", 1) for part in parts)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_refusals_carry_the_same_headers(stranger: Caller) -> None:
    assert "content-security-policy" in stranger.call("/api/session").headers


def test_a_file_beyond_the_limit_is_refused_and_nothing_is_sent(service: MemoryService) -> None:
    with running(service.client, Limits(upload_bytes=1000)) as console:
        big = np.zeros(200).tobytes()
        answer = entered(console).call("/api/jobs?name=a.npy", "POST", big)
    assert (answer.status, answer.error["code"]) == (413, "TOO_LARGE")
    assert "--max-upload-mb" in answer.error["hint"]
    assert service.queue.sent == service.store.notifications == []


def test_an_order_beyond_the_limit_is_refused(person: Caller) -> None:
    assert person.call("/api/dead-letters/redrive", "POST", b" " * (2**20 + 1)).status == 413


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
def test_no_file_outside_the_pages_own_is_served(person: Caller, path: str) -> None:
    assert person.call(path).status in {404, 405}


def test_it_listens_on_the_loopback_interface_alone() -> None:
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
