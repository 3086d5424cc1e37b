"""What it was measured on."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np


def description() -> str:
    """Return processor, Python, numpy and both BLAS libraries with their threads, as Markdown."""
    return (
        f"{_processor()}, {os.cpu_count()} cores; {platform.system()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}.\n"
        f"numpy's BLAS: {_blas('numpy', '../numpy.libs')}. "
        f"Ours: {_blas('scipy_openblas64', 'lib')}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def _blas(package: str, folder: str) -> str:
    """Return name, kernels and threads of the OpenBLAS that a package brings."""
    spec = find_spec(package)
    origin = Path(spec.origin) if spec and spec.origin else Path()
    path = next((origin.parent / folder).glob("libscipy_openblas64_*"), None)
    if path is None:
        return "another than OpenBLAS"
    library = ctypes.CDLL(str(path))
    library.scipy_openblas_get_config64_.restype = ctypes.c_char_p
    library.scipy_openblas_get_corename64_.restype = ctypes.c_char_p
    version = " ".join(library.scipy_openblas_get_config64_().decode().split()[:2])
    core = library.scipy_openblas_get_corename64_().decode()
    threads = library.scipy_openblas_get_num_threads64_()
    return f"{version} ({core}), {threads} thread{'s' if threads > 1 else ''}"
