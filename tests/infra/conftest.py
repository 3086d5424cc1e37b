"""Terraform for the tests of `infra/`: one copy, one run per module and session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from terraform_cli import State, Terraform, Verdicts


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    if shutil.which("terraform") is None:
        reason = "terraform is not on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Terraform.make(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def verdicts(terraform: Terraform) -> Callable[[str, str], Verdicts]:
    return cache(
        lambda module, file: Verdicts.of(terraform, module, file, states=file != "refusals.tftest.hcl")
    )


@pytest.fixture(scope="session")
def stack(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack with all defaults, as it would be in the account 123456789012."""
    return verdicts("service", "wires.tftest.hcl").states["defaults"]


@pytest.fixture(scope="session")
def full_stack(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack with everything that is optional, named matinv-test."""
    return verdicts("service", "wires.tftest.hcl").states["everything_chosen"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker, so that Terraform runs once; the apply has a worker of its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("terraform"))
