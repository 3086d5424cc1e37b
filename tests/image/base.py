"""Substitutes for AWS's Python base image, made of Debian's packages.

Where no container registry can be reached, ``docker/Dockerfile`` is built on these: one for arm64,
which the image runs on, and one for this machine, in which its wheels are installed. Both hold
Debian 13's Python 3.13. Packages are unpacked, not installed: nothing of arm64 runs until the image
does.

The same as in AWS's image are the places, the environment, the entry point, the runtime client and
the emulator. Others are libc (2.41 instead of 2.34), the build of Python, and all other packages.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

from machine import CACHE, ROOT, MissingError, architecture, buildah, run

_SUITE: Final = "trixie"
_PYTHON: Final = "python3.13"
_PACKAGES: Final = [f"{_PYTHON}-minimal", f"lib{_PYTHON}-stdlib", "dash", "libstdc++6"]
_DEBIAN: Final = re.compile(r"/debian/?$").search  # as opposed to its security updates
_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"

_ENVIRONMENT: Final = {  # AWS's
    "LANG": "en_US.UTF-8",
    "TZ": ":/etc/localtime",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:"
    "/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}
_ENTRY_POINT: Final = """\
#!/bin/sh
if [ $# -ne 1 ]; then
  echo "needs the handler's name" >&2
  exit 142
fi
export _HANDLER="$1"
if [ -n "$AWS_LAMBDA_RUNTIME_API" ]; then
  exec /var/runtime/bootstrap
fi
# AWS's listens at port 8080, always; here it would not be alone.
exec /usr/local/bin/aws-lambda-rie $STAND_IN_EMULATOR_FLAGS /var/runtime/bootstrap
"""
_BOOTSTRAP: Final = f"""\
#!/bin/sh
export PYTHONPATH=/var/runtime
exec /var/lang/bin/{_PYTHON} -m awslambdaric "$_HANDLER"
"""

# Where package clients of this machine are told where packages are.
_INDEXES: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX")


def image_to_run_on() -> str:
    """Make the substitute for arm64 and return its name."""
    return _image("arm64", _PACKAGES, _runtime)


def image_to_build_in() -> str:
    """Make the substitute for this machine and return its name."""
    return _image(architecture(), [*_PACKAGES, "python3-pip-whl"], _pip)


def _image(arch: str, packages: Sequence[str], furnish: Callable[[Path], Mapping[str, str]]) -> str:
    state = Path(__file__).read_bytes() + version("awslambdaric").encode()
    name = f"localhost/stand-in{furnish.__name__}:{sha256(state).hexdigest()[:12]}"
    if buildah("images", "--quiet", "--filter", f"reference={name}"):
        return name
    container = buildah("from", "--arch", arch, "scratch").strip()
    try:
        root = Path(buildah("mount", container).strip())
        _unpack(_download(arch, packages), root)
        environment = _ENVIRONMENT | furnish(root)
        options = [f"--env={key}={value}" for key, value in environment.items()]
        entry = '--entrypoint=["/lambda-entrypoint.sh"]'
        buildah("config", "--arch", arch, "--workingdir=/var/task", entry, *options, container)
        buildah("commit", "--quiet", container, name)
    finally:
        buildah("rm", container)
    return name


def _download(arch: str, packages: Sequence[str]) -> list[Path]:
    """Let apt find what `packages` need on an empty machine of `arch`, and fetch all of it."""
    sources = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Component: main")
    uri = next(filter(_DEBIAN, sources.splitlines()), None)
    if uri is None:
        raise MissingError("needs Debian: none of apt's sources has its releases")
    apt = CACHE / "apt" / arch
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    source = f"deb [arch={arch} signed-by={_KEYRING}] {uri} {_SUITE} main\n"
    (apt / "sources.list").write_text(source)
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::Cache::archives": f"{apt}/archives",
        "Dir::Etc::sourcelist": f"{apt}/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": f"{apt}/lists",
        "Dir::State::status": f"{apt}/status",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "update")
    run("apt-get", *options, "install", "--yes", "--download-only", *packages)
    return sorted((apt / "archives").glob("*.deb"))


def _unpack(packages: Sequence[Path], root: Path) -> None:
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        run("dpkg-deb", "--extract", str(package), str(root))
    for folder in ("var/task", "var/runtime", "var/lang/bin", "usr/local/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for alias in ("python3", _PYTHON):
        (root / "var/lang/bin" / alias).symlink_to(f"/usr/bin/{_PYTHON}")
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def _runtime(root: Path) -> Mapping[str, str]:
    """Add what Lambda's image for Python has beside Python; return no settings of its own."""
    client = f"awslambdaric=={version('awslambdaric')}"
    target = ["--target", str(root / "var/runtime"), "--python-version", "3.13"]
    wheels = ["--python-platform", "aarch64-manylinux_2_28", "--only-binary", ":all:"]
    run(_uv(), "pip", "install", "--quiet", "--no-config", *target, *wheels, client)
    shutil.copy(_emulator(), root / "usr/local/bin/aws-lambda-rie")
    for path, text in (
        ("lambda-entrypoint.sh", _ENTRY_POINT),
        ("var/runtime/bootstrap", _BOOTSTRAP),
    ):
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    return {}


def _pip(root: Path) -> Mapping[str, str]:
    """Add pip, and this machine's way to packages; return the settings that tell of it."""
    (wheel,) = (root / "usr/share/python-wheels").glob("pip-*.whl")
    shutil.unpack_archive(wheel, root / "usr/lib/python3/dist-packages", "zip")
    certificates = root / "etc/ssl/certs/ca-certificates.crt"
    certificates.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", certificates)
    there = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/etc/ssl/certs/ca-certificates.crt")
    return there | {name: os.environ[name] for name in _INDEXES if name in os.environ}


def _uv() -> str:
    found = shutil.which("uv") or ROOT / ".tools/uv/bin/uv"
    if not Path(found).exists():
        raise MissingError("needs uv; scripts/test installs it")
    return str(found)


def _emulator() -> Path:
    found = next(ROOT.glob(".tools/sam/lib/python*/site-packages/samcli/local/rapid/*-arm64"), None)
    if found is None:
        raise MissingError("needs the arm64 emulator of aws-sam-cli; scripts/test installs it")
    return found
