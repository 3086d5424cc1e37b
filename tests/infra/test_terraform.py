"""Terraform's own checks and tests: format, validity, and each run of each `.tftest.hcl`."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from terraform_cli import INFRA, MODULES, Terraform, Verdicts

FILES = sorted(INFRA.glob("**/tests/*.tftest.hcl"))
RUNS = [
    (str(file.parents[1].relative_to(INFRA)), file.name, run)
    for file in FILES
    for run in re.findall(r'^run "(\w+)"', file.read_text(), re.MULTILINE)
]


def test_all_files_are_formatted(terraform: Terraform) -> None:
    assert terraform.run(".", "fmt", "-check", "-recursive", check=False).stdout == ""


@pytest.mark.parametrize("module", ["bootstrap", "service"])
def test_configuration_is_valid_and_not_deprecated(terraform: Terraform, module: str) -> None:
    terraform.init(module)
    assert '"warning_count": 0' in terraform.run(module, "validate", "-json").stdout


@pytest.mark.parametrize("run", RUNS, ids="-".join)
def test_run_passes(run: tuple[str, str, str], verdicts: Callable[[str, str], Verdicts]) -> None:
    module, file, name = run
    said = verdicts(module, file)
    assert said.statuses[name] == "pass", said.messages.get(name)


@pytest.mark.parametrize("module", ["bootstrap", "service"])
def test_each_variable_that_has_a_rule_has_a_run_that_breaks_it(module: str) -> None:
    texts = "".join(file.read_text() for file in (INFRA / module).glob("*.tf"))
    variables = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', texts, re.DOTALL | re.MULTILINE)
    ruled = {name for name, body in variables if "validation {" in body}
    runs = "".join(file.read_text() for file in FILES if file.parents[1] == INFRA / module)
    refused = re.findall(r"expect_failures\s*=\s*\[([^\]]*)\]", runs)
    assert ruled
    assert ruled - set(re.findall(r"var\.(\w+)", " ".join(refused))) == set()


@pytest.mark.parametrize("module", MODULES)
def test_variables_and_outputs_say_what_they_are(module: str) -> None:
    for file in (INFRA / module).glob("*.tf"):
        for kind, name, body in re.findall(
            r'^(variable|output) "(\w+)" \{\n(.*?)^\}', file.read_text(), re.DOTALL | re.MULTILINE
        ):
            assert re.search(r"^  description += ", body, re.MULTILINE), f"{kind} {name}"
            assert kind == "output" or re.search(r"^  type += ", body, re.MULTILINE), name


@pytest.mark.parametrize("module", MODULES)
def test_validations_say_the_consequence(module: str) -> None:
    for file in (INFRA / module).glob("*.tf"):
        for message in re.findall(r'error_message = "(.*)"', file.read_text()):
            rule, _, consequence = message.partition(": ")
            assert rule
            assert consequence, f"only a rule: {message}"
