"""What makes an image is named by its hash, raised by Dependabot, listed and attested."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:" + "0123456789abcdef" * 4
LOCKS = sorted((ROOT / "infra").glob("*/.terraform.lock.hcl"))


def sbom(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/sbom", *arguments], capture_output=True, text=True, check=False
    )


def updates() -> dict[str, set[str]]:
    """Return the folders that Dependabot watches, by kind."""
    config: Any = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    assert config["version"] == 2
    return {
        u["package-ecosystem"]: {*u.get("directories", []), *filter(None, [u.get("directory")])}
        for u in config["updates"]
    }


def test_the_image_runs_on_a_base_that_is_named_by_its_digest() -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (\S+) AS base$", dockerfile, re.M)
    assert re.fullmatch(r"public\.ecr\.aws/lambda/python:3\.13-arm64@sha256:[0-9a-f]{64}", base)
    assert "ARG BASE_IMAGE=base\n" in dockerfile


def test_both_roots_lock_the_one_provider_by_its_public_name() -> None:
    assert [lock.parent.name for lock in LOCKS] == ["bootstrap", "service"]
    (text,) = {lock.read_text() for lock in LOCKS}
    assert re.findall(r'provider "(.+)"', text) == ["registry.terraform.io/hashicorp/aws"]
    assert re.findall(r'version += "(.+)"', text) == ["5.100.0"]
    # The zip files of the release, one for each platform, and what linux_amd64's holds.
    assert len(re.findall(r'"zh:[0-9a-f]{64}"', text)) == 15
    assert len(re.findall(r'"h1:[A-Za-z0-9+/]{43}="', text)) >= 1


def test_a_deploy_takes_no_other_provider_than_the_locked_one() -> None:
    opening = (ROOT / "scripts/_aws").read_text()
    assert "init -input=false -reconfigure -lockfile=readonly" in opening


def test_dependabot_watches_each_folder_that_pins_something() -> None:
    folders = {
        "github-actions": {"/"},
        "docker": {"/docker"},
        "pip": {
            f"/{path.parent.relative_to(ROOT)}".replace("/.", "/")
            for path in [ROOT / "pyproject.toml", *ROOT.glob("*/requirements*.txt")]
        },
        "terraform": {f"/{lock.parent.relative_to(ROOT)}" for lock in LOCKS},
    }
    assert updates() == folders


def test_the_list_of_the_image_s_contents_is_the_lock_s_and_the_base() -> None:
    document = json.loads(sbom(IMAGE).stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["bom-ref"] == IMAGE
    base, *packages = document["components"]
    assert base["bom-ref"] in (ROOT / "docker/Dockerfile").read_text()
    # Independent of the script's pattern: a lock's line that is no hash and no comment.
    locked = [
        line.split(" ")[0].split("==")
        for line in (ROOT / "docker/requirements.txt").read_text().splitlines()
        if line[0] not in " #"
    ]
    assert [[p["name"], p["version"]] for p in packages] == locked
    assert all(p["purl"] == f"pkg:pypi/{p['name']}@{p['version']}" for p in packages)


@pytest.mark.parametrize("arguments", [[], ["matinv:latest"], [IMAGE, IMAGE]])
def test_the_list_is_of_one_image_by_digest(arguments: list[str]) -> None:
    done = sbom(*arguments)
    assert done.returncode == 1
    assert "needs one image, by digest" in done.stderr


def test_publish_attests_origin_and_contents_beside_the_image() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text())
    job = workflow["jobs"]["image"]
    attest = [s["with"] for s in job["steps"] if s.get("uses", "").startswith("actions/attest@")]
    assert len(attest) == 2
    for step in attest:
        assert step["push-to-registry"] is True
        assert step["subject-digest"] == "${{ steps.publish.outputs.digest }}"
    assert [("sbom-path" in step) for step in attest] == [False, True]
    assert job["permissions"]["attestations"] == "write"


def test_every_workflow_runs_the_one_terraform() -> None:
    """An action without a version takes the newest of the day, which no test has seen."""
    texts = [path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")]
    used = sum(text.count("uses: hashicorp/setup-terraform@") for text in texts)
    versions = [v for text in texts for v in re.findall(r"terraform_version: (\S+)", text)]
    assert len(versions) == used > 0
    assert len({*versions}) == 1
    for file in (ROOT / "infra").rglob("*.tf"):
        for rule in re.findall(r'required_version = "(.+)"', file.read_text()):
            assert rule == ">= 1.9, < 2", file
