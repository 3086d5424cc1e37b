"""Files that commands write: checked before the work, put into place at once."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def check_writable(file: Path) -> None:
    """Raise unless `place` can write `file`, as far as that can be known before.

    Raises
    ------
    OSError
        With the file's own name.
    """
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def place(content: bytes, file: Path) -> None:
    """Write a file: a reader, or a crash, never meets half of it."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        mask = os.umask(0)  # reading it is setting it
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
