"""Schemathesis against the API over HTTP: whatever the document allows, and much that it does not.

Every answer must be one that the document describes, and none a fault of the server's. Three
checks are left out: a matrix may be of the right kind and yet not square, so that valid data is
refused; a job whose file has not come yet is not there; and to delete a run, which is all that can
be deleted, cancels its open jobs: the run stays to be read.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.api_server import serving

pytestmark = pytest.mark.deep

SCHEMATHESIS = Path(__file__).parents[2] / ".tools/schemathesis/bin/schemathesis"
JOB_ID = re.compile(r"(?<=/jobs/).+?(?=/result$|/redrive$|/cancel$|$)")
BUDGET_S = 40  # for fuzzing and sequences; what each parameter may be is tried before, in 15 s


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not SCHEMATHESIS.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("schemathesis is not installed: run scripts/test")
        pytest.skip("schemathesis is not installed: run scripts/test, which installs it")


def test_whatever_is_asked_the_answer_is_one_of_the_document(tmp_path: Path) -> None:
    with serving() as api:
        api.working = True
        done = subprocess.run(
            [
                SCHEMATHESIS,
                "run",
                f"{api.url}/openapi.json",
                f"--max-time={BUDGET_S}",
                "--exclude-checks=positive_data_acceptance,ensure_resource_availability,"
                "use_after_free",
                "--no-color",
            ],
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=10 * BUDGET_S,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert "16 selected / 16 total" in done.stdout
    asked = {JOB_ID.sub("{}", request["rawPath"]) for request in api.requests}
    assert asked >= {
        "/invert",
        "/jobs",
        "/jobs/{}",
        "/jobs/{}/result",
        "/jobs/{}/redrive",
        "/uploads/complete",
        "/health",
    }
    assert len(api.requests) > 200
