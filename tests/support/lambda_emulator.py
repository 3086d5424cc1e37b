"""The real Lambda Runtime Interface Emulator around the real runtime client, for tests.

The emulator's binary travels in the wheel of the SAM CLI, which ``scripts/test`` installs into
``.tools/sam`` from ``scripts/requirements-sam.txt``. It starts ``python -m awslambdaric`` on the
first invocation, as the image's entry point does, and again after a crash.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.invoke_over_http import OverHttp

_ROOT: Final = Path(__file__).parents[2]
_ARCHITECTURES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}
_START_S: Final = 20.0
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.02


class EmulatorMissing(Exception):
    """The emulator's binary is not installed, or there is none for this machine."""


def find_emulator(tools: Path = _ROOT / ".tools" / "sam") -> Path:
    """Return the emulator's binary for this machine.

    Raises
    ------
    EmulatorMissing
        With what to do about it.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHITECTURES:
        message = f"the emulator runs on Linux on x86_64 or aarch64, not {sys.platform} {machine}"
        raise EmulatorMissing(message)
    name = f"aws-lambda-rie-{_ARCHITECTURES[machine]}"
    for path in tools.glob(f"lib/python3*/site-packages/samcli/local/rapid/{name}"):
        return path
    message = f"no {name} below {tools}: run scripts/test, which installs it"
    raise EmulatorMissing(message)


class LambdaEmulator:
    """Runs a handler as Lambda does, for the length of a ``with`` block.

    Parameters
    ----------
    handler : str
        ``package.module.function``.
    env : mapping
        Environment of the function, beside PATH and what Lambda itself sets.
    timeout_s : int
        Of an invocation; the emulator ends a function that takes longer.
    memory_mb : int
        What Lambda says of the function's memory.
    path : str
        More directories to import from, as PYTHONPATH has them.

    Raises
    ------
    EmulatorMissing
        If there is no binary.
    """

    def __init__(
        self,
        handler: str,
        env: Mapping[str, str] | None = None,
        *,
        timeout_s: int = 60,
        memory_mb: int = 1769,
        path: str = "",
    ) -> None:
        self._binary = find_emulator()
        self._handler = handler
        self._timeout_s = timeout_s
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": path,
            "AWS_LAMBDA_FUNCTION_NAME": "matinv-test",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            **(env or {}),
        }

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        port, api_port = _free_ports(2)
        self.base_url = f"http://127.0.0.1:{port}"
        self._invoke = OverHttp(self.base_url, self._timeout_s + 10.0)
        self._process = subprocess.Popen(
            self._command(port, api_port),
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            self._wait_for(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def invoke(self, payload: Mapping[str, Any]) -> Any:
        """Return the function's answer.

        Raises
        ------
        matinv.backends.aws.event_source.FunctionError
            If the function raised, ended its process or ran out of time.
        """
        return self._invoke(payload)

    def log(self) -> str:
        """Return what emulator and function have written so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def _command(self, port: int, api_port: int) -> list[str]:
        addresses = {
            "--runtime-interface-emulator-address": f"127.0.0.1:{port}",
            "--runtime-api-address": f"127.0.0.1:{api_port}",
        }
        options = [word for option in addresses.items() for word in option]
        return [str(self._binary), *options, sys.executable, "-m", "awslambdaric", self._handler]

    def _wait_for(self, port: int) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(_LOOK_S)
        message = f"the emulator did not start:\n{self.log()}"
        raise RuntimeError(message)

    def _stop(self) -> None:
        # The emulator gives the function's process a group of its own, and ends it on SIGTERM.
        functions = list(_children(self._process.pid))
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in functions:
            _end_group(pid)
        self._log.close()


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _children(pid: int) -> Iterator[int]:
    """Yield a process's children, of all its threads."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, listing.read_text().split())


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
