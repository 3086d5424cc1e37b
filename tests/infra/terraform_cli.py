"""Terraform on a copy of `infra/`: with the provider of a local mirror if there is one."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
INFRA = REPOSITORY / "infra"
MODULES = ("bootstrap", "service", *(f"modules/{m.name}" for m in (INFRA / "modules").iterdir()))

_CACHE = REPOSITORY / ".cache" / "terraform-plugins"


def provider_mirror() -> Path | None:
    """Return a directory like that of `terraform providers mirror`, if one has AWS' provider."""
    places = [Path.home() / ".terraform.d/plugins", Path("/usr/local/share/terraform/plugins")]
    if "TF_PLUGIN_MIRROR" in os.environ:
        places.insert(0, Path(os.environ["TF_PLUGIN_MIRROR"]))
    places += sorted(Path("/opt").glob("*"))
    return next((place for place in places if _holds_provider(place)), None)


def _holds_provider(place: Path) -> bool:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = f"{platform.system().lower()}_{machine}"
    try:
        found = [
            *place.glob(f"*/hashicorp/aws/*/{system}"),
            *place.glob(f"*/hashicorp/aws/*{system}.zip"),
        ]
    except OSError:
        return False
    return bool(found)


def cli_config() -> str:
    """Return Terraform's own configuration: where providers come from."""
    mirror = provider_mirror()
    if mirror is None:
        _CACHE.mkdir(parents=True, exist_ok=True)
        return (
            f'plugin_cache_dir = "{_CACHE}"\nplugin_cache_may_break_dependency_lock_file = true\n'
        )
    return (
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = "{mirror}"\n    include = ["hashicorp/aws"]\n  }}\n'
        '  direct {\n    exclude = ["hashicorp/aws"]\n  }\n'
        "}\n"
    )


@dataclass(frozen=True)
class Terraform:
    """A copy of `infra/` to run Terraform in: nothing is left in the work tree."""

    infra: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, directory: Path) -> Terraform:
        """Copy `infra/` into `directory` and prepare the environment of Terraform."""
        config = directory / "terraform.rc"
        config.write_text(cli_config())
        infra = directory / "infra"
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "*.auto.tfvars")
        shutil.copytree(INFRA, infra, ignore=ignored)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))},
            "TF_CLI_CONFIG_FILE": str(config),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            # No look for credentials of a machine in the cloud: it would wait for an answer.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return cls(infra, environment)

    def run(
        self, module: str, *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a module; its output is kept."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.infra / module}", *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            said = done.stderr or done.stdout
            message = f"terraform {' '.join(arguments)} in {module}:\n{said}"
            raise AssertionError(message)
        return done

    def init(self, module: str) -> None:
        """Fetch the modules and the provider."""
        locked = ["-lockfile=readonly"] if (INFRA / module / ".terraform.lock.hcl").exists() else []
        self.run(module, "init", "-backend=false", "-input=false", "-no-color", *locked)


@dataclass(frozen=True)
class Resource:
    """A resource of a state."""

    address: str
    type: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """What a run of `terraform test` applied to its mocks, or an apply made."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

    @classmethod
    def of_json(cls, tree: Mapping[str, Any]) -> State:
        """Read a state in Terraform's JSON format."""
        outputs = {name: output["value"] for name, output in tree.get("outputs", {}).items()}
        return cls(tuple(_resources(tree["root_module"])), outputs)

    def of_type(self, type_: str) -> list[Resource]:
        """Return the resources of one type."""
        return [r for r in self.resources if r.type == type_]

    def __getitem__(self, address: str) -> Mapping[str, Any]:
        """Return the values of the resource at an address."""
        return next(r.values for r in self.resources if r.address == address)


def _resources(module: Mapping[str, Any]) -> Iterator[Resource]:
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield Resource(resource["address"], resource["type"], resource["values"])
    for child in module.get("child_modules", []):
        yield from _resources(child)


@dataclass(frozen=True)
class Verdicts:
    """What `terraform test` said: statuses, messages and states by run."""

    statuses: Mapping[str, str]
    messages: Mapping[str, str]
    states: Mapping[str, State]

    @classmethod
    def read(cls, output: str) -> Verdicts:
        """Read what `tests_of` returned."""
        statuses: dict[str, str] = {}
        messages: dict[str, str] = {}
        found: dict[str, State] = {}
        for line in output.splitlines():
            event = json.loads(line)
            run = event.get("@testrun", "")
            match event["type"]:
                case "test_run" if event["test_run"].get("status"):
                    statuses[run] = event["test_run"]["status"]
                case "test_state":
                    found[run] = State.of_json(event["test_state"])
                case "diagnostic":
                    diagnostic = event["diagnostic"]
                    text = f"{diagnostic['summary']}: {diagnostic.get('detail', '')}\n"
                    messages[run] = messages.get(run, "") + text
        if not statuses:
            raise AssertionError(output)
        return cls(statuses, messages, found)


def tests_of(terraform: Terraform, module: str, file: str) -> str:
    """Run one file of a module's tests; return Terraform's events, states included."""
    terraform.init(module)
    # The states take as long again, and of what is refused there is none.
    verbose = [] if file == "refusals.tftest.hcl" else ["-verbose"]
    done = terraform.run(module, "test", "-json", *verbose, f"-filter=tests/{file}", check=False)
    return done.stdout
