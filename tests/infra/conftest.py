"""Terraform for the tests of `infra/`: one copy, one run per module and session."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import cache

import pytest
from terraform_cli import State, Terraform, Verdicts, tests_of


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    if shutil.which("terraform") is None:
        reason = "terraform is not on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Terraform.make(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def verdicts(
    terraform: Terraform, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Verdicts]:
    """Run a file of Terraform's tests, once for all of xdist's workers."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def run(module: str, file: str) -> Verdicts:
        output = shared / f"{module.replace('/', '-')}-{file}.jsonl"
        with output.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not output.exists():
                output.write_text(tests_of(terraform, module, file))
        return Verdicts.read(output.read_text())

    return cache(run)


@pytest.fixture(scope="session")
def stack(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack with all defaults, as it would be in the account 123456789012."""
    return verdicts("service", "wires.tftest.hcl").states["defaults"]


@pytest.fixture(scope="session")
def full_stack(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack with everything that is optional, named matinv-test."""
    return verdicts("service", "wires.tftest.hcl").states["everything_chosen"]


@pytest.fixture(scope="session")
def account(verdicts: Callable[[str, str], Verdicts]) -> State:
    """What infra/bootstrap makes."""
    return verdicts("bootstrap", "bootstrap.tftest.hcl").states["without_github_there_is_no_way_in"]


@pytest.fixture(scope="session")
def new_account(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack that a new account takes, without the large lane."""
    return verdicts("service", "wires.tftest.hcl").states["new_account"]
