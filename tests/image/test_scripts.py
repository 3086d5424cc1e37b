"""The scripts on the way to AWS: what they would run, refuse and judge; workflows, Dockerfile."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from support.invoke_over_http import INVOCATIONS_PATH
from support.processes import matinv, until

pytestmark = pytest.mark.deep

ROOT = Path(__file__).parents[2]
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"{REPOSITORY}@{DIGEST}"
SCRIPTS = ["build", "publish", "plan", "deploy", "release", "shift", "smoke", "destroy", "rescan"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def script(
    name: str, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
    )


def dry_run(name: str, *arguments: str) -> list[list[str]]:
    """Return the words of each command that a script would run."""
    done = script(name, "--dry-run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [shlex.split(line) for line in done.stdout.splitlines()]


def words(text: str) -> list[str]:
    return shlex.split(text)


def contains(command: list[str], text: str) -> bool:
    """Tell whether the words of `text` stand in `command`, one after the other."""
    part = words(text)
    starts = range(len(command) - len(part) + 1)
    return any(command[start : start + len(part)] == part for start in starts)


# What they say of themselves, and what they refuse.


@pytest.mark.parametrize("name", [*SCRIPTS, "test"])
def test_help_says_what_a_script_does_and_lists_its_options(name: str) -> None:
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.endswith(".")
    assert f"  scripts/{name} [OPTION...]" in "\n".join(rest)
    source = (ROOT / "scripts" / name).read_text()
    options = set(re.findall(r"^    (--[a-z-]+)(?: \||\))", source, re.M)) - {"--help"}
    assert {option for option in options if option not in done.stdout} == set()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("build --no-such", "unknown argument --no-such"),
        ("build --engine kaniko", "--engine is docker, podman or buildah (found kaniko)"),
        ("build --tag", "--tag needs a value"),
        ("build -- --dry-run", "--dry-run belongs before --"),
        ("publish latest", "unknown argument latest"),
        ("publish --repository matinv", "(found matinv)"),
        ("publish --codebuild --engine docker", "exclude each other"),
        ("deploy", "needs the image"),
        (f"deploy {REPOSITORY}:latest", f"(found {REPOSITORY}:latest)"),
        (f"deploy {IMAGE} {IMAGE}", "one image only"),
        (f"deploy --name Prod {IMAGE}", "(found Prod)"),
        (f"deploy --backend none.hcl {IMAGE}", "cannot read none.hcl"),
        (f"deploy {IMAGE} -- --dry-run", "--dry-run belongs before --"),
        ("deploy --plan none.tfplan", "cannot read none.tfplan"),
        (f"deploy --plan pyproject.toml {IMAGE}", "--plan stands alone"),
        ("plan latest", "(found latest)"),
        (f"plan {IMAGE} {IMAGE}", "one image only"),
        ("release", "needs the image, or --plan FILE"),
        (f"release --plan p.tfplan {IMAGE}", "one image or plan only"),
        ("shift --weight 100", "--weight is 1 to 99"),
        ("shift --watch 10m", "--watch is a number of seconds (found 10m)"),
        ("destroy", "needs the name of the stack"),
        ("destroy one two", "one stack only"),
        ("destroy one -- --yes", "--yes belongs before --"),
        ("smoke --outputs none.json", "cannot read none.json"),
        ("smoke now", "unknown argument now"),
        ("rescan --repository public", "(found public)"),
    ],
)
def test_wrong_arguments_end_with_the_usage_and_2(arguments: str, complaint: str) -> None:
    name, *rest = words(arguments)
    done = script(name, *rest)
    assert done.returncode == 2
    assert done.stdout == ""
    first = done.stderr.splitlines()[0]
    assert first.startswith("matinv: ")
    assert complaint in first
    assert f"scripts/{name} [OPTION...]" in done.stderr


# What they would run.


def test_docker_builds_one_manifest_for_arm64_without_a_date() -> None:
    build, _ = dry_run("build", "--engine", "docker", "--tag", "x:1", "--", "--pull")
    assert build[:3] == ["docker", "buildx", "build"]
    assert contains(build, "--platform linux/arm64")
    assert contains(build, "--provenance=false --sbom=false")
    assert contains(build, "--tag x:1")
    assert contains(build, "--build-arg SOURCE_DATE_EPOCH=0")
    assert build[-2:] == ["--pull", "."]


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_other_engines_build_the_same(engine: str) -> None:
    build, look = dry_run(
        "build", "--engine", engine, "--base", "b:3.13-arm64", "--build-base", "c"
    )
    assert build[:2] == [engine, "build"]
    assert look[0] == engine
    assert contains(build, "--platform linux/arm64")
    assert contains(build, "--build-arg BASE_IMAGE=b:3.13-arm64 --build-arg BUILD_IMAGE=c")
    assert contains(build, "--timestamp 0")


def test_publish_logs_in_builds_pushes_and_looks_up_the_digest() -> None:
    login, build, push, look, deploy = dry_run(
        "publish", "--engine", "docker", "--repository", REPOSITORY
    )
    host = REPOSITORY.partition("/")[0]
    assert login == words(
        "aws ecr get-login-password --region eu-west-1 | "
        f"docker login --username AWS --password-stdin {host}"
    )
    assert build[:5] == ["scripts/build", "--engine", "docker", "--tag", push[-1]]
    assert push[:2] == ["docker", "push"]
    assert re.fullmatch(rf"{re.escape(REPOSITORY)}:[0-9a-f]{{12}}(-dirty)?", push[-1])
    assert contains(look, "aws ecr describe-images --region eu-west-1 --repository-name matinv")
    assert deploy == ["scripts/deploy", f"{REPOSITORY}@sha256:DIGEST"]


def test_publish_can_let_aws_build() -> None:
    commands = dry_run("publish", "--codebuild", "--repository", REPOSITORY)
    assert [" ".join(command[:3]) for command in commands] == [
        "git archive --format",
        "aws s3api put-object",
        "aws codebuild start-build",
        "aws codebuild batch-get-builds",
        "aws ecr describe-images",
        f"scripts/deploy {REPOSITORY}@sha256:DIGEST",
    ]


def test_deploy_opens_the_state_of_the_stack_and_applies_the_image() -> None:
    backend, init, apply, *then = dry_run("deploy", "--name", "matinv", IMAGE)
    assert contains(backend, "terraform -chdir=infra/bootstrap output -no-color -raw backend")
    assert contains(init, "-backend-config=key=service/matinv.tfstate")
    assert apply[:3] == ["terraform", "-chdir=infra/service", "apply"]
    assert "-var-file=../environments/matinv.tfvars" in apply
    assert contains(apply, f"-var name=matinv -var image_uri={IMAGE}")
    assert "-auto-approve" not in apply
    assert then == [["scripts/shift"], ["scripts/smoke"]]


def test_deploy_of_a_stack_without_variables_in_git_says_where_they_belong() -> None:
    done = script("deploy", "--dry-run", "--name", "blue", IMAGE)
    assert done.returncode == 1
    assert "needs infra/environments/blue.tfvars" in done.stderr


def test_the_workflow_deploys_by_the_script_that_reads_a_stack_s_variables() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    assert 'scripts/plan --name "$STACK"' in text
    assert 'scripts/release --name "$STACK"' in text
    assert "terraform apply" not in text


def test_deploy_hands_on_options_and_asks_nobody_when_told_so(tmp_path: Path) -> None:
    backend = tmp_path / "backend.hcl"
    backend.touch()
    init, apply, *_ = dry_run(
        "deploy", "--yes", "--backend", str(backend), IMAGE, "--", "-target=module.api"
    )
    assert f"-backend-config={backend}" in init
    assert "-auto-approve" in apply
    assert apply[-1] == "-target=module.api"


def test_plan_takes_no_lock_and_keeps_what_a_deploy_applies(tmp_path: Path) -> None:
    *_, plan = dry_run("plan", "--out", "a.tfplan", IMAGE)
    assert plan[:4] == ["terraform", "-chdir=infra/service", "plan", "-detailed-exitcode"]
    assert contains(plan, "-input=false -lock=false -var-file=../environments/matinv.tfvars")
    assert contains(plan, f"-var name=matinv -var image_uri={IMAGE} -out={ROOT}/a.tfplan")
    kept = tmp_path / "a.tfplan"
    kept.touch()
    *_, apply = dry_run("deploy", "--hold", "--plan", str(kept))
    assert apply == ["terraform", "-chdir=infra/service", "apply", "-input=false", str(kept)]


@pytest.mark.parametrize(
    ("options", "code", "ends"), [("", 0, 0), ("", 2, 0), ("--drift", 0, 0), ("--drift", 2, 1)]
)
def test_drift_fails_only_where_something_would_change(
    stubs: dict[str, str], options: str, code: int, ends: int
) -> None:
    (Path(stubs["STUBS"]) / "bin/terraform").write_text(
        f"#!/bin/sh\ncase $2 in output) echo '{IMAGE}' ;; plan) exit {code} ;; esac\n"
    )
    backend = Path(stubs["STUBS"]) / "backend.hcl"
    backend.touch()
    done = script("plan", *words(options), "--backend", str(backend), env=stubs)
    assert done.returncode == ends, done.stderr
    assert f"image_uri={IMAGE}" in done.stderr
    assert ("differs from what stands in git" in done.stderr) == (ends == 1)


def test_plan_of_a_stack_that_runs_nothing_says_so(stubs: dict[str, str]) -> None:
    backend = Path(stubs["STUBS"]) / "backend.hcl"
    backend.touch()
    done = script("plan", "--backend", str(backend), env=stubs)
    assert done.returncode == 0, done.stderr
    assert "runs nothing yet" in done.stderr


@pytest.mark.parametrize(
    ("rules", "environment", "code"),
    [
        ("branch_policy required_reviewers", {}, 0),
        ("branch_policy", {}, 1),
        ("", {}, 1),
        ("", {"MATINV_UNREVIEWED": "true"}, 0),
    ],
)
def test_an_environment_without_reviewers_stops_the_deploy(
    stubs: dict[str, str], rules: str, environment: dict[str, str], code: int
) -> None:
    gh = Path(stubs["STUBS"]) / "bin/gh"
    gh.write_text(f"#!/bin/sh\necho '{rules}'\n")
    gh.chmod(0o755)
    env = stubs | {"GITHUB_REPOSITORY": "acme/matinv"} | environment
    done = script("_reviewed", "production", env=env)
    assert done.returncode == code
    assert ("no required reviewers" in done.stderr) == (code == 1)


def test_destroy_spares_data_unless_told_otherwise() -> None:
    *_, init, destroy = dry_run("destroy", "blue")
    assert contains(init, "-backend-config=key=service/blue.tfstate")
    assert destroy[:3] == ["terraform", "-chdir=infra/service", "destroy"]
    assert contains(destroy, "-var name=blue")
    assert not {"-auto-approve", "disposable=true"} & set(destroy)


def test_destroy_makes_data_disposable_first_and_touches_nothing_else() -> None:
    *_, init, release, destroy = dry_run("destroy", "--with-data", "blue")
    assert "init" in init
    targets = {word for word in release if word.startswith("-target=")}
    assert targets == {
        "-target=module.inputs",
        "-target=module.results",
        "-target=aws_dynamodb_table.jobs",
    }
    assert contains(release, "-var disposable=true")
    assert contains(destroy, "-var disposable=true")


def test_the_targets_and_outputs_that_scripts_name_are_in_the_terraform_code() -> None:
    service = "".join(path.read_text() for path in (ROOT / "infra/service").glob("*.tf"))
    bootstrap = "".join(path.read_text() for path in (ROOT / "infra/bootstrap").glob("*.tf"))
    for declaration in (
        'module "inputs"',
        'module "results"',
        'resource "aws_dynamodb_table" "jobs"',
        'variable "image_uri"',
        'variable "name"',
        'variable "disposable"',
        'output "environment"',
        'output "api"',
        'output "alarms"',
        'output "image_uri"',
    ):
        assert declaration in service
    for output in ("repository_url", "backend", "build"):
        assert f'output "{output}"' in bootstrap


def test_smoke_calls_the_api_and_has_two_jobs_done() -> None:
    assert dry_run("smoke", "--timeout", "30s") == [
        words("terraform -chdir=infra/service output -json"),
        words("python scripts/_call API_ALIAS_ARN"),
        words("matinv doctor --timeout 30s"),
    ]


def test_rescan_scans_the_newest_image() -> None:
    newest, start, state = dry_run("rescan", "--repository", REPOSITORY)
    assert contains(newest, "--region eu-west-1 --repository-name matinv")
    assert [command[2] for command in (start, state)] == [
        "start-image-scan",
        "describe-image-scan-findings",
    ]


# How they judge answers, with a stub for each command that would leave this machine.


@pytest.fixture
def stubs(tmp_path: Path) -> dict[str, str]:
    """A clean clone's worth of commands: git names a commit, aws and docker say what files say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "log").touch()
    programs = {
        "git": "case $1 in rev-parse) echo 0123456789ab ;; esac",
        "docker": """echo "docker $*" >>"$STUBS/log"
            case $1 in
              login) cat >/dev/null ;;
              image) echo "sha256:1 100" ;;
              push) mv "$STUBS/describe-images.then" "$STUBS/describe-images" ;;
            esac""",
        "aws": """echo "aws $*" >>"$STUBS/log"
            answer=$STUBS/$2; [[ $2 != wait ]] || answer=$STUBS/$3
            [[ ! -f $answer.denied ]] || { cat "$answer.denied" >&2; exit 254; }
            [[ -f $answer ]] || exit 255
            cat "$answer"
            [[ $2 != start-build ]] || mv "$STUBS/describe-images"{.then,} """,
        "terraform": 'printf "\\nWarning: No outputs found\\n"',
    }
    for name, text in programs.items():
        path = folder / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
    (tmp_path / "get-login-password").write_text("secret\n")
    return {"PATH": f"{folder}:{os.environ['PATH']}", "STUBS": str(tmp_path), "POLL_SECONDS": "0"}


def say(stubs: Mapping[str, str], **answers: str) -> None:
    for name, answer in answers.items():
        (Path(stubs["STUBS"]) / name.replace("__", ".").replace("_", "-")).write_text(answer)


def deny(stubs: Mapping[str, str], **refusals: str) -> None:
    say(stubs, **{f"{name}__denied": refusal for name, refusal in refusals.items()})


def log(stubs: Mapping[str, str]) -> list[str]:
    return (Path(stubs["STUBS"]) / "log").read_text().splitlines()


def test_publish_pushes_and_prints_the_command_that_deploys(stubs: dict[str, str]) -> None:
    say(stubs, describe_images__then=f"{DIGEST}\t{MANIFEST}\n")
    done = script("publish", "--engine", "docker", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"image_uri={IMAGE}", f"scripts/deploy {IMAGE}"]
    assert [line.split()[1] for line in log(stubs) if line.startswith("docker")] == [
        "login",
        "buildx",
        "image",
        "push",
    ]
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_publish_waits_for_codebuild(stubs: dict[str, str], status: str) -> None:
    build = json.dumps({"project": "matinv-image", "source": "s3://source/source.zip"})
    (Path(stubs["STUBS"]) / "bin/terraform").write_text(f"#!/bin/sh\necho '{build}'\n")
    say(
        stubs,
        put_object="version-of-this-upload\n",
        start_build="matinv-image:1\n",
        batch_get_builds=f"{status}\n",
    )
    say(stubs, describe_images__then=f"{DIGEST}\t{MANIFEST}\n")
    done = script("publish", "--codebuild", "--repository", REPOSITORY, env=stubs)
    upload, start = (words(line) for line in log(stubs)[1:3])
    assert contains(upload, "aws s3api put-object")
    assert contains(upload, "--bucket source --key source.zip")
    # CodeBuild's StartBuild: without a version it takes the archive that is the newest by then.
    assert contains(start, "--source-version version-of-this-upload")
    assert "--project-name matinv-image" in log(stubs)[2]
    if status == "SUCCEEDED":
        assert done.stdout.splitlines()[-1] == f"scripts/deploy {IMAGE}"
    else:
        assert done.returncode == 1
        assert "the build ended as FAILED" in done.stderr


# CodeBuild guide, "Create a build project": above the limit, new builds are throttled and not run.
def test_publish_says_that_codebuild_builds_one_at_a_time(stubs: dict[str, str]) -> None:
    build = json.dumps({"project": "matinv-image", "source": "s3://source/source.zip"})
    (Path(stubs["STUBS"]) / "bin/terraform").write_text(f"#!/bin/sh\necho '{build}'\n")
    say(stubs, put_object="version\n")
    deny(stubs, start_build="AccountLimitExceededException: Cannot have more than 1 builds\n")
    done = script("publish", "--codebuild", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == 1
    assert "AccountLimitExceededException" in done.stderr
    assert "publish again when that has ended" in done.stderr
    assert "batch-get-builds" not in " ".join(log(stubs))


def test_publish_builds_nothing_that_is_there_already(stubs: dict[str, str]) -> None:
    say(stubs, describe_images=f"{DIGEST}\t{MANIFEST}\n")
    done = script("publish", "--engine", "docker", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"scripts/deploy {IMAGE}"
    assert not [line for line in log(stubs) if line.startswith("docker")]


def test_publish_refuses_an_index(stubs: dict[str, str]) -> None:
    say(stubs, describe_images=f"{DIGEST}\t{INDEX}\n")
    done = script("publish", "--engine", "docker", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == 1
    assert "an index" in done.stderr
    assert "scripts/deploy" not in done.stdout


def test_without_bootstrap_publish_says_so_instead_of_pushing_to_a_warning(
    stubs: dict[str, str],
) -> None:
    done = script("publish", "--engine", "docker", env=stubs)
    assert done.returncode == 1
    assert "infra/bootstrap has no output repository_url" in done.stderr
    assert log(stubs) == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("COMPLETE\tNone\tNone\n", 0),
        ("ACTIVE\t0\tNone\n", 0),  # enhanced scanning, which never completes
        ("COMPLETE\t2\tNone\n", 1),
        ("ACTIVE\tNone\t1\n", 1),
        ("FAILED\tNone\tNone\n", 1),
        ("IN_PROGRESS\tNone\tNone\n", 1),
    ],
)
def test_rescan_fails_on_grave_findings_only(stubs: dict[str, str], state: str, code: int) -> None:
    say(stubs, describe_images=DIGEST, start_image_scan="OK", describe_image_scan_findings=state)
    done = script("rescan", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == code, done.stderr
    assert IMAGE in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("An error occurred (LimitExceededException): once a day", 0),
        ("An error occurred (ValidationException): enhanced scanning", 0),
        ("An error occurred (AccessDeniedException): not authorized", 1),
    ],
)
def test_rescan_takes_the_last_scan_but_never_a_denied_one(
    stubs: dict[str, str], refusal: str, code: int
) -> None:
    say(stubs, describe_images=DIGEST, describe_image_scan_findings="COMPLETE\tNone\tNone\n")
    deny(stubs, start_image_scan=refusal)
    done = script("rescan", "--repository", REPOSITORY, env=stubs)
    assert done.returncode == code, done.stderr
    assert code == 0 or refusal in done.stderr


@contextmanager
def api(answer: object) -> Iterator[str]:
    """Answer direct calls of the function `function` as Lambda does, which maps no queue to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == INVOCATIONS_PATH
            self.answer(200, answer)

        def do_GET(self) -> None:  # of `matinv doctor`
            if "/event-source-mappings/" in self.path:
                self.answer(200, {"EventSourceMappings": []})
            else:
                self.answer(404, {"message": "no such function"}, "ResourceNotFoundException")

        def answer(self, status: int, document: object, error: str = "") -> None:
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("x-amzn-errortype", error)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("inverse", [[[-2.0, 1.0], [1.5, -0.5]], [[1.0, 0.0], [0.0, 1.0]]])
def test_smoke_on_the_local_stack(inverse: list[list[float]], tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    with (
        (tmp_path / "log").open("w") as output,
        matinv("local", "up", "--env-file", str(exports), stdout=output, stderr=output),
        api({"inverse": inverse}) as lambda_url,
    ):
        until(exports.exists)
        settings = dict(re.findall(r"^export (\w+)='?([^'\n]*)", exports.read_text(), re.M))
        ours = {name: value for name, value in settings.items() if name.startswith("MATINV_")}
        outputs = tmp_path / "outputs.json"
        outputs.write_text(
            json.dumps(
                {"environment": {"value": ours}, "api": {"value": {"alias_arn": "function"}}}
            )
        )
        aws = {name: value for name, value in settings.items() if name.startswith("AWS_")}
        done = script(
            "smoke", "--outputs", str(outputs), env=aws | {"AWS_ENDPOINT_URL_LAMBDA": lambda_url}
        )
    if inverse[0][0] == 1.0:
        assert done.returncode == 1
        assert "was answered with" in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\w+) +(api|job by \w+)", done.stdout, re.M) == [
        ("ok", "api"),  # the call
        ("ok", "api"),  # and what doctor says of its instances
        ("ok", "job by message"),
        ("ok", "job by file"),
    ]


# The workflows.

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_pins_its_actions_and_holds_no_keys(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for used in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}|\./\.github/workflows/\w+\.yml", used)
    assert "secrets." not in text
    assert "access-key" not in text


# What a job may do with GitHub's own token, beyond reading the code. All else is denied.
GRANTED = {
    ("deploy", "plan"): {"actions": "read", "id-token": "write"},
    ("deploy", "deploy"): {"id-token": "write"},
    ("drift", "drift"): {"id-token": "write"},
    ("plan", "plan"): {"id-token": "write"},
    ("publish", "image"): {"attestations": "write", "id-token": "write"},
    ("publish", "production"): {"actions": "read", "id-token": "write"},
    ("rescan", "rescan"): {"id-token": "write"},
}
# The role of AWS that it takes. The one that can change production needs the environment.
ROLES = {
    ("deploy", "plan"): "MATINV_PLAN_ROLE",
    ("deploy", "deploy"): "MATINV_DEPLOY_ROLE",
    ("drift", "drift"): "MATINV_PLAN_ROLE",
    ("plan", "plan"): "MATINV_PLAN_ROLE",
    ("publish", "image"): "MATINV_PUSH_ROLE",
    ("rescan", "rescan"): "MATINV_SCAN_ROLE",
}


def test_each_job_may_do_what_it_needs_and_no_more() -> None:
    granted, roles = {}, {}
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            if more := {k: v for k, v in job.get("permissions", {}).items() if k != "contents"}:
                granted[path.stem, name] = more
            for step in job.get("steps", []):
                if role := step.get("with", {}).get("role-to-assume"):
                    roles[path.stem, name] = role.removeprefix("${{ vars.").removesuffix(" }}")
                    assert ("environment" in job) == (role == "${{ vars.MATINV_DEPLOY_ROLE }}")
    assert granted == GRANTED
    assert roles == ROLES


def test_what_is_deployed_is_the_plan_that_was_approved() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    kept = [s["with"] for s in jobs["plan"]["steps"] if "upload-artifact" in s.get("uses", "")]
    got = [s["with"] for s in jobs["deploy"]["steps"] if "download-artifact" in s.get("uses", "")]
    assert jobs["deploy"]["needs"] == "plan"
    assert "environment" not in jobs["plan"]
    assert [a["name"] for a in kept] == [a["name"] for a in got] == ["plan-${{ matrix.stack }}"]
    (release,) = (s["run"] for s in jobs["deploy"]["steps"] if "scripts/" in s.get("run", ""))
    assert '--plan "$RUNNER_TEMP/$STACK.tfplan"' in release
    order = [s.get("run", "") for s in jobs["plan"]["steps"]]
    reviewed = next(i for i, run in enumerate(order) if "scripts/_reviewed production" in run)
    assert reviewed < next(i for i, run in enumerate(order) if "scripts/plan" in run)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_scripts_that_there_are_and_interpolates_nothing_into_them(
    path: Path,
) -> None:
    steps = [
        step
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job.get("steps", [])
    ]
    for step in steps:
        command = step.get("run", "")
        assert "${{" not in command  # what a branch or a variable is called must not be run
        for called in re.findall(r"(?:^|\s)(scripts/\w+|\.ci/run)", command):
            assert os.access(ROOT / called, os.X_OK)


def test_dockerfile_has_no_known_mistakes() -> None:
    done = script("hadolint")
    assert done.returncode == 0, done.stdout
