"""What travels in an S3 request or answer: the bytes out, the bytes in, and text in headers."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Final

from matinv.aws.errors import translated
from matinv.core.errors import Code, Transient
from matinv.ports import Part

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

# urllib3 allocates what it is asked for and then copies it, so that a body is read in pieces:
# 2 MiB stay in the cache (128 MiB take 20 to 30 ms of CPU; 90 to 280 if asked for at once).
_PIECE_BYTES: Final = 2 * 2**20

# What HTTP carries unchanged: printable ASCII without blanks at the ends.
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class S3Blob:
    """An object that is being read from S3.

    Parameters
    ----------
    uri : str
        Its address, for messages.
    answer : GetObjectOutputTypeDef
        What S3 said of it, and the stream of its bytes.
    """

    def __init__(self, uri: str, answer: GetObjectOutputTypeDef) -> None:
        self.size_bytes = answer["ContentLength"]
        self.etag = answer["ETag"].strip('"')
        self.version_id: str | None = answer.get("VersionId")
        self.metadata: Mapping[str, str] = decoded(answer["Metadata"])
        self._uri = uri
        self._body = answer["Body"]
        self._left_bytes = self.size_bytes

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        wanted = min(size, self._left_bytes)
        pieces = []
        with translated(f"reading {self._uri}"):
            while wanted:
                piece = self._body.read(wanted)
                self._count(piece)
                wanted -= len(piece)
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes."""
        target = buffer.cast("B")[: self._left_bytes] if buffer.nbytes else buffer
        filled = 0
        with translated(f"reading {self._uri}"):
            while filled < len(target):
                piece = target[filled : filled + _PIECE_BYTES]
                came = piece[: self._body.readinto(piece)]  # type: ignore[arg-type]  # wrong stub
                self._count(came)
                filled += len(came)
        return filled

    def close(self) -> None:
        """Drop what was not read, and the connection with it unless all was read."""
        self._body.close()

    def _count(self, came: Part) -> None:
        self._left_bytes -= len(came)
        if not came:
            raise Transient(
                Code.STORAGE,
                f"reading {self._uri} failed: the connection ended early",
                "nothing to do: it is tried again later",
                observed=f"{self.size_bytes - self._left_bytes} bytes",
                limit=f"{self.size_bytes} bytes",
            )


class Parts:
    """Several buffers as one file that is read, and read again when botocore retries.

    What `read` returns are views of the buffers, never copies, so that a read ends at the latest
    at the end of a buffer.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        views = [memoryview(part).cast("B") for part in parts if memoryview(part).nbytes]
        self._views = views
        self._size_bytes = sum(len(view) for view in views)
        self._position = 0
        self._index = 0
        self._offset = 0

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = self._offset = min(max(base + offset, 0), self._size_bytes)
        self._index = 0
        while self._index < len(self._views) and self._offset >= len(self._views[self._index]):
            self._offset -= len(self._views[self._index])
            self._index += 1
        return self._position

    def read(self, size: int = -1, /) -> memoryview:
        """Return up to `size` bytes, none at the end."""
        if self._index == len(self._views):
            return memoryview(b"")
        view = self._views[self._index]
        end = len(view) if size < 0 else min(self._offset + size, len(view))
        piece = view[self._offset : end]
        self.seek(len(piece), io.SEEK_CUR)
        return piece


def encoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata as S3 itself shows what is not ASCII: RFC 2047, base64.

    Examples
    --------
    >>> encoded({"a": "plain text", "b": "é"})
    {'a': 'plain text', 'b': '=?UTF-8?B?w6k=?='}
    """
    return {name: _encoded(text) for name, text in metadata.items()}


def _encoded(text: str) -> str:
    if _PLAIN.fullmatch(text) and "=?" not in text:
        return text
    return f"=?UTF-8?B?{b64encode(text.encode('utf-8', 'replace')).decode('ascii')}?="


def decoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Undo `encoded`, and read what other tools wrote in the same way.

    Examples
    --------
    >>> decoded({"A": "plain text", "b": "=?UTF-8?Q?=C3=A9?="})
    {'a': 'plain text', 'b': 'é'}
    """
    return {name.lower(): _decoded(text) for name, text in metadata.items()}


def _decoded(text: str) -> str:
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError):  # not RFC 2047 after all, or an unknown charset
        return text
