"""Makes a folder of installed packages ready for the image: ``finish.py FOLDER PLACE_IN_IMAGE``.

Leaves out what a function never opens (126 MB become 90), compiles the rest (12 MB), so that a cold
start does not, and cannot keep what it compiled: Lambda's file system is read-only; and gives every
file the same time and mode, so that the same files make the same layers.
"""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

# botocore describes 400 services in 26 MB. These are in use; sts gives credentials outside Lambda.
SERVICES = {"s3", "dynamodb", "sqs", "sns", "batch", "sts"}

# Tests (8 MB, most of them numpy's), stubs for type checkers (3 MB), what C compilers need (2 MB),
# and commands, which would start with this machine's path to Python.
FOLDERS = {"tests", "include", "cmake", "pkgconfig", "bin"}
SUFFIXES = {".pyi", ".pxd", ".h", ".a", ".lock"}


def main(folder: Path, place: str) -> None:
    """Prune, compile and date `folder`, which will be `place`."""
    for path in [*folder.rglob("*")]:
        if is_dead_weight(path.relative_to(folder)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    compiled = compileall.compile_dir(
        folder,
        quiet=1,
        workers=0,
        stripdir=str(folder),
        prependdir=place,  # the paths in tracebacks
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,  # never looks at times
    )
    if not compiled:
        sys.exit("finish.py: not everything compiles, see above")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
        os.utime(path, (0, 0))


def is_dead_weight(path: Path) -> bool:
    """Tell whether no function opens `path`, which is relative to the packages' folder."""
    if path.parts[:2] == ("botocore", "data") and len(path.parts) == 3 and not path.suffix:
        return path.name not in SERVICES
    return path.name in FOLDERS or path.suffix in SUFFIXES


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
