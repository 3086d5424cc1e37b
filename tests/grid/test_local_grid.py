"""`matinv local up --grid-ranks`: a job goes from lane to lane, and ends through ranks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.processes import matinv, until

pytestmark = [pytest.mark.deep, pytest.mark.xdist_group("ranks")]


@pytest.mark.usefixtures("mpi")
def test_a_job_too_large_for_every_machine_ends_through_ranks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lanes of 7, 12 and 16 MiB beyond an idle worker's 160, for a job that takes 19."""
    n = 1024
    env_file, log = tmp_path / "stack.env", tmp_path / "log"
    given = np.random.default_rng(n).standard_normal((n, n))
    np.save(tmp_path / "n1024.npy", given)
    small = ["--memory-mb", "167", "--large-memory-mb", "172", "--huge-memory-mb", "176"]
    arguments = ["--env-file", str(env_file), "--log-file", str(log), *small, "--grid-ranks", "4"]
    with matinv("local", "up", *arguments, stdout=subprocess.DEVNULL):
        until(env_file.exists)
        script = (
            f". {env_file}; cd {tmp_path}; "
            "$0 -m matinv.cli submit n1024.npy --wait >/dev/null && "
            "$0 -m matinv.cli fetch n1024 -o got --verify && "
            "$0 -m matinv.cli status n1024 --output json"
        )
        done = subprocess.run(
            ["sh", "-c", script, sys.executable],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr + log.read_text()
    record = json.loads(done.stdout)
    assert record["status"] == "SUCCEEDED"
    assert record["certificate"]["routine"] == "pgetrf+pgetri"
    assert record["certificate"]["regular"] is True
    assert record["result"]["part_bytes"] < record["result"]["bytes"] < 2**24
    assert log.read_text().count('"Forwarded":[1.0]') == 3
    got = np.load(tmp_path / "got" / "n1024.npy")
    assert np.abs(given @ got - np.eye(n)).max() < 1e-6
    capfd.readouterr()
