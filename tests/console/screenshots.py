"""Screenshots of each view, on a local stack that has seen jobs of all kinds."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from browsing import browser, page_of, running
from playwright.sync_api import Page, ViewportSize, expect

from matinv import processes
from matinv.client import Client, Mode
from matinv.linalg.types import Method
from matinv.local.samples import samples
from matinv.local.stack import Stack

README: Final = Path(__file__).with_name("screenshots")
_STOP_S: Final = 10.0
_THEMES: Final = ("light", "dark")
_SIZES: Final[Mapping[str, ViewportSize]] = {
    "desk": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
    "tall": {"width": 1280, "height": 1024},  # down to the pictures of a job
}
_VIEWS: Final = {
    "runs": ("runs", ".progress"),
    "run": ("run/mesh", "table.jobs"),
    "jobs": ("jobs", "table.jobs"),
    "job": ("job/mesh%2Fplate-42", "canvas >> nth=1"),
    "failed": ("job/sneaky", ".fault"),
    "dead": ("dead", "table.letters"),
    "health": ("health", "canvas >> nth=1"),
}
_README: Final = [("run", "light", "desk"), ("job", "dark", "tall")]


def main(target: str) -> None:
    """Take all screenshots into a folder, or renew those of README."""
    with (
        furnished() as client,
        running(client) as console,
        browser() as chrome,
        page_of(chrome, console.link) as page,
    ):
        folder = README if target == "--readme" else Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = _README if target == "--readme" else product(_VIEWS, _THEMES, ("desk", "phone"))
        for view, theme, size in wanted:
            address, landmark = _VIEWS[view]
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size(_SIZES[size])
            page.goto(f"{console.address}/#/{address}")
            _settled(page, landmark)
            file = folder / f"{view}-{theme}-{size}.png"
            page.screenshot(path=file, full_page=target != "--readme", animations="disabled")


@contextmanager
def furnished() -> Iterator[Client]:
    """Run a stack and its worker, have jobs done, and leave the worker stopped."""
    with Stack.start() as stack, tempfile.TemporaryFile("w+") as log:
        os.environ.update(stack.environment())
        client = Client.connect()
        with processes.running(["-m", "matinv.cli", "local", "worker"], _STOP_S, stderr=log):
            client.wait(_send(client, stack.settings.inputs_bucket), mode=Mode.ALL, timeout_s=60)
        for number in range(3):
            client.submit(np.eye(3) * (number + 2), job_id=f"sweep/{number:02}", tags=_FEM)
        yield client


_FEM: Final = {"team": "fem"}


def _send(client: Client, bucket: str) -> list[str]:
    sent = []
    for sample in samples(bucket):
        if sample.key:
            client.store.upload(sample.key, [sample.content], {})
        else:
            client.queue.send(sample.content.decode())
        sent.append(sample.job_id)
    plate = _plate(20)
    sent.append(client.submit(plate, job_id="mesh/plate-42", tags=_FEM | {"mesh": "fine"}).job_id)
    for number in range(12):
        noisy = plate[:64, :64] + np.diag(np.full(64, 0.1 * number))
        sent.append(client.submit(noisy, job_id=f"mesh/patch-{number:02}", tags=_FEM).job_id)
    sent.append(client.submit(np.ones((4, 4)), job_id="mesh/flat").job_id)
    pinv = client.submit(np.ones((4, 4)), job_id="rank-one", method=Method.PINV)
    return [*sent, pinv.job_id]


def _plate(side: int) -> np.ndarray:
    """Return the five-point Laplacian of a square grid: banded, with a full inverse."""
    line = 2 * np.eye(side) - np.eye(side, k=1) - np.eye(side, k=-1)
    return np.kron(line, np.eye(side)) + np.kron(np.eye(side), line)


def _settled(page: Page, landmark: str) -> None:
    expect(page.locator(landmark).first).to_be_visible()
    expect(page.get_by_text("Loading")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


if __name__ == "__main__":
    main(sys.argv[1])
