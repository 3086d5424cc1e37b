"""The image, really built, and run on arm64 by emulation: one to two minutes.

Skipped with the reason where the machine lacks what it takes; with ``CI=true`` that is a failure.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import base
import machine
import numpy as np
import pytest

from matinv.testing.events import sqs_event
from support.invoke_over_http import OverHttp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = [pytest.mark.deep, pytest.mark.xdist_group("image")]

AARCH64 = 183  # ELF's number of the machine
UNCHECKED_HASH = 1  # PEP 552
SEED_REQUEST = {"matrix": [[1, 2], [3, 4]]}
SEED_INVERSE = [[-2.0, 1.0], [1.5, -0.5]]

IMPORT_ALL = """
import importlib, json, pkgutil, matinv
from importlib.metadata import distributions
for module in pkgutil.walk_packages(matinv.__path__, "matinv."):
    importlib.import_module(module.name)
found = distributions(path=["/var/task"])
print(json.dumps({each.name.replace("_", "-"): each.version for each in found}))
"""


@dataclass(frozen=True)
class Built:
    name: str
    digest: str
    said: str
    config: dict[str, Any]
    files: Path
    container: str


@pytest.fixture(scope="module")
def bases() -> tuple[str, str]:
    try:
        with machine.alone():
            machine.prepare()
            return base.image_to_run_on(), base.image_to_build_in()
    except machine.MissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the image cannot be tested on this machine: {error}")
        pytest.skip(str(error))


def build(bases: tuple[str, str], name: str, *options: str) -> str:
    script = str(machine.ROOT / "scripts/build")
    images = ["--base", bases[0], "--build-base", bases[1]]
    command = [script, "--engine", "buildah", "--tag", name, *images, *options]
    return machine.run(*command, env=machine.storage())


@pytest.fixture(scope="module")
def image(bases: tuple[str, str]) -> Iterator[Built]:
    name = "localhost/matinv:test"
    with machine.alone():
        said = build(bases, name)
    config = json.loads(machine.buildah("inspect", "--type", "image", name))
    container = machine.buildah("from", "--arch", "arm64", name).strip()
    try:
        # Lambda's arm64 is Graviton2. Unless told so, qemu 7.2 emulates all that Arm has specified,
        # and OpenBLAS's kernels for its matrix extension (SME) then invert wrongly.
        machine.buildah("config", "--env=QEMU_CPU=neoverse-n1", container)
        files = Path(machine.buildah("mount", container).strip())
        digest = config["FromImageDigest"]
        yield Built(name, digest, said, config["OCIv1"], files, container)
    finally:
        machine.buildah("rm", container)


def test_build_says_name_digest_and_size(image: Built) -> None:
    assert re.search(rf"^image   {image.name}$", image.said, re.M)
    assert re.search(rf"^digest  {image.digest}$", image.said, re.M)
    assert re.search(r"^size    [1-9][0-9.]* MB$", image.said, re.M)


def test_image_is_one_manifest_for_arm64_and_runs_the_worker_as_nobody(image: Built) -> None:
    assert image.config["architecture"] == "arm64"
    assert image.config["config"]["Cmd"] == ["matinv.handlers.worker.handler"]
    assert image.config["config"]["User"] == "993:990"
    # The base's layer, the dependencies, the code: nothing ran in the final stage.
    assert len(image.config["rootfs"]["diff_ids"]) == 3


def test_all_machine_code_is_for_arm64(image: Built) -> None:
    libraries = [
        (path, path.read_bytes()[:20])
        for path in (image.files / "var/task").rglob("*")
        if path.is_file() and ".so" in path.suffixes
    ]
    assert len(libraries) > 20
    assert {
        path for path, head in libraries if struct.unpack("<H", head[18:20]) != (AARCH64,)
    } == set()


def test_all_code_is_compiled_and_stays_so(image: Built) -> None:
    task = image.files / "var/task"
    sources = [path for path in task.rglob("*.py") if path.is_file()]
    assert len(sources) > 500
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert struct.unpack("<I", compiled.read_bytes()[4:8]) == (UNCHECKED_HASH,), source


def test_image_leaves_out_what_functions_do_not_open(image: Built) -> None:
    task = image.files / "var/task"
    assert {path.name for path in (task / "matinv").iterdir()}.isdisjoint(
        {"cli", "console", "local", "testing"}
    )
    assert {path.name for path in (task / "botocore/data").iterdir() if path.is_dir()} == {
        "s3",
        "dynamodb",
        "sqs",
        "sns",
        "batch",
        "sts",
    }
    megabytes = sum(path.lstat().st_size for path in task.rglob("*")) / 1e6
    assert megabytes < 140  # 22 of them are FLINT, for ball arithmetic


def test_same_files_make_same_layers(bases: tuple[str, str], image: Built) -> None:
    name = "localhost/matinv:again"
    build(bases, name, "--", "--no-cache")
    again = json.loads(machine.buildah("inspect", "--type", "image", name))["OCIv1"]
    assert again["rootfs"] == image.config["rootfs"]


def test_image_holds_the_locked_packages_and_all_modules_import_on_arm64(image: Built) -> None:
    packages = json.loads(machine.buildah("run", image.container, "python3", "-c", IMPORT_ALL))
    lock = (machine.ROOT / "docker/requirements.txt").read_text()
    assert packages == dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.M))


def test_a_command_runs_the_poller_on_arm64(image: Built) -> None:
    """As AWS Batch runs it: by the image's entry point."""
    entry_point = image.config["config"]["Entrypoint"]
    command = [*entry_point, "python3", "-m", "matinv.handlers.poller", "--help"]
    assert "--linger" in machine.buildah("run", image.container, *command)


@contextmanager
def function(image: Built, handler: str, environment: dict[str, str]) -> Iterator[OverHttp]:
    """Run a function of the image as `docker run` would: its entry point, with its command."""
    front, back = free_ports(2)
    flags = (
        f"--runtime-interface-emulator-address 127.0.0.1:{front} "
        f"--runtime-api-address 127.0.0.1:{back}"
    )
    settings = environment | {"STAND_IN_EMULATOR_FLAGS": flags}
    options = [f"--env={name}={value}" for name, value in settings.items()]
    entry_point = image.config["config"]["Entrypoint"]
    log = machine.CACHE / f"{handler}.log"
    with (
        log.open("w") as output,
        machine.start_buildah(
            "run", *options, image.container, *entry_point, handler, stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_for_port(front, process)
            yield OverHttp(f"http://127.0.0.1:{front}", timeout_s=180)
        except Exception as error:
            error.add_note(f"the function said:\n{log.read_text()[-4000:]}")
            raise
        finally:
            process.terminate()


def free_ports(count: int) -> Sequence[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "the function ended"
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def environment(
    at_moto: str, buckets: tuple[str, str], table_name: str, queue_urls: tuple[str, str, str]
) -> dict[str, str]:
    return {
        "MATINV_INPUTS_BUCKET": buckets[0],
        "MATINV_RESULTS_BUCKET": buckets[1],
        "MATINV_JOBS_TABLE": table_name,
        "MATINV_JOBS_QUEUE_URL": queue_urls[0],
        "MATINV_DLQ_URL": queue_urls[1],
        "AWS_ENDPOINT_URL": at_moto,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "OPENBLAS_NUM_THREADS": "1",
    }


def test_api_answers_the_seed_request_on_arm64(image: Built, environment: dict[str, str]) -> None:
    with function(image, "matinv.handlers.api.handler", environment) as api:
        answer = api(SEED_REQUEST)
        assert answer["inverse"] == SEED_INVERSE
        assert answer["certificate"]["digits"] > 10
        assert api({"matrix": [[1, 2], [2, 4]]})["error"]["code"] == "SINGULAR"
        large = np.random.default_rng(1).standard_normal((300, 300))
        inverse = np.array(api({"matrix": large.tolist()})["inverse"])  # by LAPACK, in place
        assert np.abs(large @ inverse - np.eye(300)).max() < 1e-10


def test_worker_does_a_batch_on_arm64(
    image: Built, environment: dict[str, str], dynamodb: DynamoDBClient
) -> None:
    good = {"job_id": "good", **SEED_REQUEST}
    bad = {"job_id": "bad", "matrix": [[1, 2], [2, 4]]}
    (command,) = image.config["config"]["Cmd"]
    again = {"job_id": "again", "matrix": np.eye(40).tolist()}
    with function(image, command, environment) as worker:
        assert worker(sqs_event([good, bad])) == {"batchItemFailures": []}
        # In a child process, which finds Python and code where the image has them.
        assert worker(sqs_event([again], receive_count=2)) == {"batchItemFailures": []}
    records = {
        item["job_id"]["S"]: item["status"]["S"]
        for item in dynamodb.scan(TableName=environment["MATINV_JOBS_TABLE"])["Items"]
    }
    assert records == {"good": "SUCCEEDED", "bad": "FAILED", "again": "SUCCEEDED"}
