"""Commands and workers that are killed in the middle of a run, and started again."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.local.stack import Stack
from support.api_server import serving
from support.memory_service import general
from support.processes import matinv, until

FILES = 60


def study(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Make a folder of small matrices; return them by job id."""
    made = {f"s{k % 7}/m{k}": general(3 + k % 5, k) for k in range(count)}
    for name, matrix in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", matrix)
    return made


def check(folder: Path, made: Mapping[str, np.ndarray]) -> None:
    """Look at each file, and that there is no other but what a killed command was writing."""
    for name, matrix in made.items():
        inverse = np.load(folder / f"{name}.npy")
        np.testing.assert_allclose(inverse @ matrix, np.eye(len(matrix)), atol=1e-8)
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*.npy")}
    visible = {file for file in files if not Path(file).name.startswith(".")}
    assert visible == {f"{name}.npy" for name in made}


def whole(folder: Path) -> dict[str, str]:
    """Return the files that have their names, with their hashes."""
    return {
        file.relative_to(folder).with_suffix("").as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in folder.rglob("[!.]*.npy")
    }


class Requests(list[dict[str, Any]]):
    """The requests that came to an API; `enough` is set once so many results were asked for."""

    def __init__(self, kill_at: int) -> None:
        super().__init__()
        self.enough = threading.Event()
        self._kill_at = kill_at

    def append(self, request: dict[str, Any], /) -> None:
        super().append(request)
        if self.results().total() >= self._kill_at:
            self.enough.set()

    def results(self) -> Counter[str]:
        paths = (request["rawPath"] for request in list(self))
        return Counter(path for path in paths if path.endswith("/result"))


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.deep) for k in (1, 2))])
@pytest.mark.usefixtures("log")
def test_a_fetch_that_is_killed_goes_on_and_fetches_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    made = study(tmp_path / "in", FILES)
    chance = random.Random(seed)
    with serving() as api:
        for name, matrix in made.items():
            api.service.client.submit(matrix, job_id=name, run="study")
        api.service.work()
        command = [sys.executable, "-m", "matinv.cli", "--api", api.url]
        command += ["fetch", "--run", "study", "-o", str(tmp_path / "out")]
        requests = Requests(kill_at=chance.randrange(1, FILES))
        api.requests = requests
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            if not requests.enough.wait(60):
                process.kill()
                pytest.fail("the command fetches nothing")
            process.kill()
        there = whole(tmp_path / "out")
        requests.clear()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"{len(there)} were there" in done.stderr or not there
        asked = {path.removeprefix("/jobs/").removesuffix("/result") for path in requests.results()}
        assert asked == made.keys() - there.keys()
        check(tmp_path / "out", made)
        assert whole(tmp_path / "out").items() >= there.items()


@pytest.mark.deep
@pytest.mark.parametrize(("seed", "both"), [(0, False), (1, True)])
def test_a_run_whose_commands_and_worker_are_killed_ends_with_all_files(
    tmp_path: Path, no_real_aws: None, seed: int, both: bool
) -> None:
    """Each command is killed once, the worker twice, all at random points of their work.

    Or a worker at the same moment as the command that it works for, and then twice.
    """
    count = 2000
    made = study(tmp_path / "in", count)
    out = tmp_path / "out"
    chance = random.Random(seed)
    submit = ["submit", str(tmp_path / "in"), "--run", "study", "--output-to", "s3"]
    fetch = ["fetch", "--run", "study", "-o", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "matinv.cli", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    with Stack.start(name="killed") as stack:
        env = {**os.environ, **stack.environment()}
        client = stack.client("sqs")

        def messages() -> int:
            url = stack.settings.jobs_queue_url
            names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return sum(map(int, found.values()))

        table = stack.client("dynamodb")

        def records() -> int:
            return table.describe_table(TableName=stack.settings.jobs_table)["Table"]["ItemCount"]

        kill_at = chance.randrange(1, count)
        worker = matinv("local", "worker", env=env, **quiet) if both else nullcontext()
        with worker, matinv(*submit, env=env, **quiet) as process:
            until(lambda: records() >= kill_at or process.poll() is not None, 300)
        assert run(*submit, "--skip-done").returncode == 0
        for _ in range(2):
            left = messages()
            kill_at = chance.randrange(left // 4, left + 1)
            with matinv("local", "worker", env=env, **quiet):
                until(lambda at=kill_at: messages() <= at, 300)
        with matinv("local", "worker", env=env, **quiet):
            waited = run("wait", "--run", "study", "--timeout", "10m")
            assert waited.returncode == 0, waited.stderr
            assert f"{count:,} succeeded" in waited.stdout
            kill_at = chance.randrange(1, count)
            with matinv(*fetch, env=env, **quiet) as process:
                until(lambda: len(whole(out)) >= kill_at or process.poll() is not None, 300)
            process.wait()
            there = {name: (out / f"{name}.npy").stat().st_ino for name in whole(out)}
            # On a busy machine the embedded AWS may not answer in time: it is started once more.
            until(lambda: run(*fetch).returncode == 0, 300)
    check(out, made)
    # What is fetched is a new file: what was there still is what it was.
    assert {name: (out / f"{name}.npy").stat().st_ino for name in there} == there
