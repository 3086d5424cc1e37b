"""Bodies and metadata of S3's requests and answers: bytes out, bytes in, text in headers."""

from __future__ import annotations

import hashlib
import io
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Final

from matinv.backends.aws.calls import together
from matinv.backends.aws.errors import translated
from matinv.errors import Code, Transient
from matinv.ports import MOST_PARTS, Part

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

# urllib3 allocates what it is asked for and then copies it, so that a body is read bit by bit:
# 2 MiB stay in the cache (128 MiB take 20 to 30 ms of CPU; 90 to 280 if asked for at once).
_READ_BYTES: Final = 2 * 2**20

_MIB: Final = 2**20

# A machine from so many threads on has a network that four connections do not fill.
_WIDE_THREADS: Final = 8
_MOST_CONNECTIONS: Final = 32  # as many as the client keeps (`matinv.backends.aws.clients`)

# What HTTP carries unchanged: printable ASCII without blanks at the ends.
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Which bodies travel in pieces side by side, and how long the pieces are.

    One connection to S3 carries 85 to 90 MB/s (AWS's "Performance design patterns for Amazon S3"):
    64 MiB, which is n = 2896, take 0.8 s on it. A first byte takes 20 to 50 ms, a tenth of
    the 0.4 s of a piece, and a PUT costs $0.000005, so that smaller pieces gain nothing. A body in
    one PUT would end at 5 GiB, n = 25,900.

    Parameters
    ----------
    above_bytes : int
        Shorter bodies travel whole.
    size_bytes : int
        Length of a piece, at least 5 MiB where it is written; longer where a body needs it.
    connections : int
        Pieces on their way at a time. Four carry as much as Lambda's network does, which COST.md
        measured; machines of 16 vCPUs have 10 Gbit/s and more.
    """

    above_bytes: int = 64 * 2**20
    size_bytes: int = 32 * 2**20
    connections: int = 4

    @classmethod
    def of_machine(cls, threads: int) -> Pieces:
        """Return how bodies travel to a machine of so many threads.

        Examples
        --------
        >>> [Pieces.of_machine(threads).connections for threads in (1, 5, 16, 64)]
        [4, 4, 32, 32]
        """
        wide = threads >= _WIDE_THREADS
        return cls(connections=min(2 * threads, _MOST_CONNECTIONS)) if wide else cls()

    def piece_bytes(self, body_bytes: int) -> int:
        """Return the length of the pieces of a body: S3 takes at most 10,000 of them.

        Examples
        --------
        >>> [Pieces().piece_bytes(gib * 2**30) // 2**20 for gib in (1, 312, 313, 1024)]
        [32, 32, 33, 105]
        """
        least_bytes = -(-body_bytes // MOST_PARTS)
        if least_bytes <= self.size_bytes:
            return self.size_bytes
        return -(-least_bytes // _MIB) * _MIB


class S3Blob:
    """An object that is being read from S3.

    Parameters
    ----------
    uri : str
        Its address, for messages.
    answer : GetObjectOutputTypeDef
        S3's answer, with the stream of the object's bytes.
    get : callable
        Opens a range of the same content, ``bytes=0-9``, or raises.
    pieces : Pieces
        How large bodies are read.
    """

    def __init__(
        self,
        uri: str,
        answer: GetObjectOutputTypeDef,
        get: Callable[[str], GetObjectOutputTypeDef],
        pieces: Pieces,
    ) -> None:
        self.size_bytes = answer["ContentLength"]
        self.etag = answer["ETag"].strip('"')
        self.version_id: str | None = answer.get("VersionId")
        self.metadata: Mapping[str, str] = decoded(answer["Metadata"])
        self._uri = uri
        self._body = answer["Body"]
        self._get = get
        self._pieces = pieces
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        wanted = min(size, self.size_bytes - self._position)
        pieces = []
        with translated(f"reading {self._uri}"):
            while wanted:
                piece = self._body.read(wanted)
                if not piece:
                    raise self._ended(self._position)
                self._position += len(piece)
                wanted -= len(piece)
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes; a large rest comes in pieces side by side.

        Nothing writes into `buffer` any more when this has returned or raised.
        """
        rest_bytes = self.size_bytes - self._position
        target = buffer.cast("B")[:rest_bytes] if buffer.nbytes else buffer
        if len(target) == rest_bytes > self._pieces.above_bytes:
            step = self._pieces.piece_bytes(rest_bytes)
            views = [target[begin : begin + step] for begin in range(0, rest_bytes, step)]
            together(
                self._fill_piece,
                [(self._position + i * step, v) for i, v in enumerate(views)],
                self._pieces.connections,
            )
        else:
            self._fill(self._body, self._position, target)
        self._position += len(target)
        return len(target)

    def close(self) -> None:
        """Drop the unread rest, and with it the connection."""
        self._body.close()

    def _fill_piece(self, piece: tuple[int, memoryview]) -> None:
        """Read one piece: the first from the stream that is open, the others by ranges."""
        begin, target = piece
        body = self._body
        if begin != self._position:
            range_ = f"{begin}-{begin + len(target) - 1}"
            answer = self._get(f"bytes={range_}")
            body = answer["Body"]
            with ExitStack() as ending:
                ending.callback(body.close)
                check_range(self._uri, answer, f"{range_}/{self.size_bytes}")
                ending.pop_all()
        with closing(body):
            self._fill(body, begin, target)

    def _fill(self, body: StreamingBody, begin: int, target: memoryview) -> None:
        """Fill `target` with a stream's next bytes, the object's from `begin` on."""
        filled = 0
        with translated(f"reading {self._uri}"):
            while filled < len(target):
                came = body.readinto(target[filled : filled + _READ_BYTES])  # type: ignore[arg-type]  # wrong stub
                if not came:
                    raise self._ended(begin + filled)
                filled += came

    def _ended(self, position: int) -> Transient:
        return Transient(
            Code.STORAGE,
            f"reading {self._uri} failed: the connection ended early",
            "nothing to do: it is tried again later",
            observed=f"{position} bytes",
            limit=f"{self.size_bytes} bytes",
        )


def check_range(uri: str, answer: GetObjectOutputTypeDef, range_: str) -> None:
    """Raise `Transient` for another range: bytes of another place would look like a matrix."""
    came = answer.get("ContentRange", "the whole object")
    if not came.startswith(f"bytes {range_}"):
        raise Transient(
            Code.STORAGE,
            f"reading {uri} failed: another range than the requested one came",
            "nothing to do: it is tried again later",
            observed=came,
            limit=f"bytes {range_}",
        )


class Parts:
    """Several buffers as one file that is read, and read again when botocore retries.

    `read` returns views of the buffers, never copies, so that a read ends at the latest
    at the end of a buffer.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        views = views_of(parts)
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


def views_of(parts: Sequence[Part]) -> list[memoryview]:
    """Return the bytes of parts that have any."""
    return [memoryview(part).cast("B") for part in parts if memoryview(part).nbytes]


def cut(parts: Sequence[Part], size_bytes: int) -> list[list[memoryview]]:
    """Cut `parts`, read end to end, into pieces of views; only the last one may be shorter.

    Examples
    --------
    >>> [[bytes(view) for view in piece] for piece in cut([b"ab", b"cdefg"], 4)]
    [[b'ab', b'cd'], [b'efg']]
    """
    pieces: list[list[memoryview]] = []
    room_bytes = 0
    for part in views_of(parts):
        view = part
        while view:
            if not room_bytes:
                pieces.append([])
                room_bytes = size_bytes
            pieces[-1].append(view[:room_bytes])
            view = view[room_bytes:]
            room_bytes -= len(pieces[-1][-1])
    return pieces


def checksum(parts: Sequence[Part]) -> str:
    """Return the SHA-256 of parts as S3 writes it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b64encode(digest.digest()).decode("ascii")


def encoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Encode user metadata that is not ASCII as S3 itself shows it: RFC 2047, base64.

    Examples
    --------
    >>> encoded({"a": "plain text", "b": "é"})
    {'a': 'plain text', 'b': '=?UTF-8?B?w6k=?='}
    """
    headers = {}
    for name, text in metadata.items():
        base64 = b64encode(text.encode("utf-8", "replace")).decode("ascii")
        plain = _PLAIN.fullmatch(text) and "=?" not in text
        headers[name] = text if plain else f"=?UTF-8?B?{base64}?="
    return headers


def decoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Undo `encoded`, also for metadata of other tools that use the same encoding.

    Examples
    --------
    >>> decoded({"A": "plain text", "b": "=?UTF-8?Q?=C3=A9?="})
    {'a': 'plain text', 'b': 'é'}
    """
    texts = {name.lower(): text for name, text in metadata.items()}
    for name, text in texts.items():
        if "=?" in text:
            # Else it is not RFC 2047 after all, or of an odd charset.
            with suppress(ValueError, LookupError, MessageError):
                texts[name] = str(make_header(decode_header(text)))
    return texts
