"""Files that commands write: checked before the work, put into place at once."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from matinv.client.files import replacing


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
    with replacing(file) as stream:
        stream.write(content)
