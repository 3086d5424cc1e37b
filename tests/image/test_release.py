"""A release on the embedded AWS: what works reaches all callers, what does not goes back by itself.

Terraform alone is a stub: it remembers the image that it was last given, and publishes a version of
the function as the provider would. Alias, alarms, calls, queue and worker are real or moto's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from support.processes import matinv, until

pytestmark = pytest.mark.deep

ROOT = Path(__file__).parents[2]
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv"
OLD, GOOD, BAD, REFUSED = (f"{REPOSITORY}@sha256:{digit * 64}" for digit in "0123")
FUNCTION = "matinv-api"
ALARM = "matinv-errors-api"

# The stub answers `output` from files, and treats `apply` as the provider would.
TERRAFORM = """#!{python}
import json, os, sys
from pathlib import Path
from urllib.request import Request, urlopen
import boto3
home, words = Path(os.environ["STUB"]), sys.argv[2:]
state = home / "image"
with (home / "log").open("a") as log:
    print(*words, file=log)
if words[0] == "output" and words[-1] == "image_uri":
    print(state.read_text() if state.exists() else "Warning: No outputs found")
    sys.exit()
if words[0] == "output":
    print((home / "outputs.json").read_text())
if words[0] == "apply":
    given = [w.partition("=")[2] for w in words if w.startswith("image_uri=")]
    image = given[0] if given else Path(words[-1]).read_text()
    if image == "stale":
        sys.exit("Error: Saved plan is stale")
    if image == "{refused}":
        sys.exit("Error: AWS refuses it")
    functions = boto3.client("lambda")
    version = functions.update_function_code(
        FunctionName="{function}", ImageUri=image, Publish=True)["Version"]
    state.write_text(image)
    outputs = json.loads((home / "outputs.json").read_text())
    outputs["api"]["value"]["version"] = version
    (home / "outputs.json").write_text(json.dumps(outputs))
    right = image != "{bad}"
    answer = {{"inverse": [[-2.0, 1.0], [1.5, -0.5]] if right else [[1.0, 0.0], [0.0, 1.0]]}}
    body = {{"results": [json.dumps(answer)], "account_id": "123456789012",
            "region": os.environ["AWS_DEFAULT_REGION"]}}
    urlopen(Request(os.environ["AWS_ENDPOINT_URL"] + "/moto-api/static/lambda-simple/response",
                    json.dumps(body).encode(), {{"Content-Type": "application/json"}}))
"""


@dataclass(frozen=True)
class Stack:
    """A stack whose api has one version, of the image OLD."""

    home: Path
    env: dict[str, str]

    def aws(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=self.env["AWS_DEFAULT_REGION"],
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / script, *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def release(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("release", "--backend", str(self.home / "backend.hcl"), *arguments)

    def deploy(self, image: str) -> subprocess.CompletedProcess[str]:
        backend = str(self.home / "backend.hcl")
        return self.run("deploy", "--backend", backend, "--yes", "--hold", image)

    def callers_get(self) -> tuple[str, dict[str, float]]:
        """Return the version that the alias names, and the shares of others."""
        alias = self.aws("lambda").get_alias(FunctionName=FUNCTION, Name="live")
        shares = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        return alias["FunctionVersion"], shares

    def image(self) -> str:
        return (self.home / "image").read_text()

    def applied(self) -> list[str]:
        log = (self.home / "log").read_text().splitlines()
        return [line for line in log if line.startswith("apply")]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The embedded stack, with a worker; its settings."""
    folder = tmp_path_factory.mktemp("local")
    exports = folder / "exports"
    with (
        (folder / "log").open("w") as output,
        matinv("local", "up", "--env-file", str(exports), stdout=output, stderr=output),
    ):
        until(exports.exists)
        yield dict(re.findall(r"^export (\w+)='?([^'\n]*)", exports.read_text(), re.M))


@pytest.fixture
def stack(local: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    programs = tmp_path / "bin"
    programs.mkdir()
    terraform = programs / "terraform"
    terraform.write_text(
        TERRAFORM.format(
            python=ROOT / ".venv/bin/python", function=FUNCTION, bad=BAD, refused=REFUSED
        )
    )
    terraform.chmod(0o755)
    aws = {name: value for name, value in local.items() if name.startswith("AWS_")}
    env = os.environ | aws | {"STUB": str(tmp_path), "POLL_SECONDS": "0"}
    stack = Stack(tmp_path, env | {"PATH": f"{programs}:{env['PATH']}"})
    settings = Request(
        f"{env['AWS_ENDPOINT_URL']}/moto-api/config",
        json.dumps({"lambda": {"use_docker": False}}).encode(),
        {"Content-Type": "application/json"},
    )
    urlopen(settings).close()
    iam, functions = stack.aws("iam"), stack.aws("lambda")
    role = iam.create_role(RoleName="api", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    made = functions.create_function(
        FunctionName=FUNCTION, PackageType="Image", Code={"ImageUri": OLD}, Role=role, Publish=True
    )
    alias = functions.create_alias(
        FunctionName=FUNCTION, Name="live", FunctionVersion=made["Version"]
    )
    stack.aws("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    outputs = {
        "environment": {k: v for k, v in local.items() if k.startswith("MATINV_")},
        "api": {"alias_arn": alias["AliasArn"], "version": made["Version"]},
        "alarms": {"errors-api": ALARM, "errors-standard": "matinv-errors-standard"},
    }
    wrapped = json.dumps({name: {"value": value} for name, value in outputs.items()})
    (tmp_path / "outputs.json").write_text(wrapped)
    (tmp_path / "image").write_text(OLD)
    for name in ("log", "backend.hcl"):
        (tmp_path / name).touch()
    yield stack
    functions.delete_function(FunctionName=FUNCTION)
    iam.delete_role(RoleName="api")
    stack.aws("cloudwatch").delete_alarms(AlarmNames=[ALARM])


def test_what_works_reaches_all_callers(stack: Stack) -> None:
    done = stack.release("--watch", "0", GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.image() == GOOD
    assert stack.callers_get() == ("2", {})
    assert "10 % of the calls get version 2" in done.stdout


def test_the_very_plan_that_was_approved_is_applied(stack: Stack) -> None:
    plan = stack.home / "approved.tfplan"
    plan.write_text(GOOD)
    done = stack.release("--watch", "0", "--plan", str(plan))
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.applied() == [f"apply -input=false {plan}"]


def test_a_failed_smoke_brings_the_image_before_back_and_no_caller_saw_the_new_one(
    stack: Stack,
) -> None:
    done = stack.release("--watch", "0", BAD)
    assert done.returncode == 1
    assert f"the smoke test failed; {OLD} runs again, and works" in done.stderr
    assert stack.image() == OLD
    # Version 2 is the bad one, 3 the old image again.
    assert stack.callers_get() == ("3", {})
    assert [f"image_uri={image}" in line for line in stack.applied() for image in (BAD, OLD)] == [
        True,
        False,
        False,
        True,
    ]
    assert "get version 2" not in done.stdout


def test_a_deploy_that_breaks_off_goes_back_without_a_smoke_test(stack: Stack) -> None:
    done = stack.release("--watch", "0", REFUSED)
    assert done.returncode == 1
    assert f"the deploy failed; {OLD} runs again, and works" in done.stderr
    assert stack.image() == OLD
    assert len(stack.applied()) == 2


def test_a_plan_that_is_stale_changes_nothing_and_there_is_no_way_back_to_go(stack: Stack) -> None:
    plan = stack.home / "approved.tfplan"
    plan.write_text("stale")
    done = stack.release("--plan", str(plan))
    assert done.returncode == 1
    assert "plan again, and have that approved" in done.stderr
    assert len(stack.applied()) == 1
    assert stack.callers_get() == ("1", {})


def test_a_first_deploy_that_fails_has_nothing_to_go_back_to_and_says_so(stack: Stack) -> None:
    (stack.home / "image").unlink()
    done = stack.release("--watch", "0", BAD)
    assert done.returncode == 1
    assert "nothing ran before" in done.stderr
    assert len(stack.applied()) == 1


def test_an_alarm_during_the_shift_gives_all_callers_the_version_before(stack: Stack) -> None:
    assert stack.deploy(GOOD).returncode == 0
    assert stack.callers_get() == ("1", {})
    shifting = subprocess.Popen(
        [ROOT / "scripts/shift", "--weight", "10", "--watch", "60"],
        env=stack.env | {"POLL_SECONDS": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: stack.callers_get() == ("1", {"2": 0.1}))
    stack.aws("cloudwatch").set_alarm_state(
        AlarmName=ALARM, StateValue="ALARM", StateReason="the test says so"
    )
    _, said = shifting.communicate(timeout=60)
    assert shifting.returncode == 1
    assert f"{ALARM} fired: all callers get version 1 again" in said
    assert stack.callers_get() == ("1", {})


def test_an_alarm_that_rang_before_does_not_stop_the_version_that_may_mend_it(
    stack: Stack,
) -> None:
    stack.aws("cloudwatch").set_alarm_state(
        AlarmName=ALARM, StateValue="ALARM", StateReason="the test says so"
    )
    assert stack.deploy(GOOD).returncode == 0
    done = stack.run("shift", "--weight", "10", "--watch", "1")
    assert done.returncode == 0, done.stderr
    assert stack.callers_get() == ("2", {})


def test_a_shift_that_is_done_changes_nothing(stack: Stack) -> None:
    done = stack.run("shift")
    assert "callers get version 1 already" in done.stdout
