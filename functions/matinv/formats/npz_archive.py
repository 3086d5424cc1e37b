"""The zip archive around a .npy file, read once from front to back.

The first member comes out as it is asked for, and no further. The directory at the end of the
archive must agree with all that was read: one member, its length, its checksum.

References
----------
.. [1] PKWARE, "APPNOTE.TXT, .ZIP File Format Specification", 6.3.10: sections 4.3 and 4.4.
.. [2] RFC 1951, "DEFLATE Compressed Data Format Specification".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from matinv.errors import Code, Refused
from matinv.formats.npy import ended_early
from matinv.formats.npy_header import Reader

# Other members are read past to name them; of larger ones it is only said that they are there.
SKIP_LIMIT_BYTES: Final = 2**26

# Names and extra fields are 64 KB long at most; numpy's take 20 bytes.
_NAME_LIMIT_BYTES: Final = 512
_CHUNK_BYTES: Final = 2**16
# So much is inflated at once: it exists twice for a moment.
_PIECE_BYTES: Final = 2**18
# What is kept of an archive's end: the directory of a thousand arrays.
_END_BYTES: Final = 2**17
# Deflate makes at most 258 bytes of 2 bits (RFC 1951, 3.2.5).
_DEFLATE_RATIO: Final = 1032
_NAMED: Final = 10

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_STORED, _DEFLATED = 0, 8
# The level of compression, sizes behind the data, names in UTF-8: nothing else changes the bytes.
_KNOWN_FLAGS: Final = 0x080E
_ENCRYPTED: Final = 0x2041
_LENGTH_BEHIND: Final = 0x0008
_ZIP64: Final = b"\1\0\x10\0"
_ZIP64_SIZES: Final = struct.Struct("<4s2Q")

_SAVE: Final = "write the file anew with numpy.savez(path, a)"


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member of an archive, as the directory describes it."""

    name: bytes
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    offset: int


class Archive:
    """An archive on its way: how far it was read, and its directory once the end is reached."""

    def __init__(self, reader: Reader, size_bytes: int) -> None:
        self._reader = reader
        self.size_bytes = size_bytes
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._reader.read(size)
        self.position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next bytes and return how many came."""
        got = self._reader.readinto(buffer)
        self.position += got
        return got

    @property
    def rest_bytes(self) -> int:
        """How much of the archive was not read yet."""
        return self.size_bytes - self.position

    def rest(self, already: bytes) -> bytes:
        """Read to the end and return the rest of the archive, or its last bytes if it is long.

        Parameters
        ----------
        already : bytes
            Bytes that were read already and come before the next ones.
        """
        if self.rest_bytes > SKIP_LIMIT_BYTES:
            raise _several(f"{self.rest_bytes} bytes behind the first array")
        end = already
        while chunk := self.read(_CHUNK_BYTES):
            end = (end + chunk)[-_END_BYTES:]
        if self.rest_bytes:
            raise ended_early(self.position, self.size_bytes)
        return end


def only_entry(end: bytes, size_bytes: int) -> ListedMember:
    """Return the directory's entry of the only member.

    Parameters
    ----------
    end : bytes
        The end of an archive of `size_bytes` bytes.

    Raises
    ------
    Refused
        BAD_FORMAT, also if there are several.
    """
    start = end.rfind(b"PK\5\6")
    if start < 0 or len(end) - start < _END.size:
        raise _damaged("it was cut short, for it has no directory")
    _, disk, first, here, count, length_bytes, offset, comment_bytes = _END.unpack_from(end, start)
    if count == 0xFFFF or 0xFFFFFFFF in {length_bytes, offset}:
        raise _bad("the archive is one for more than 4 GiB", "zip64", "zip")
    begins = len(end) - size_bytes + offset
    if (disk, first, here, begins + length_bytes) != (0, 0, count, start):
        raise _damaged("its directory is not where its end says")
    if start + _END.size + comment_bytes != len(end):
        raise _damaged("something follows its end")
    entries = _entries(end[begins:start], count) if begins >= 0 else []
    if count == 1 and entries:
        return entries[0]
    names = [entry.name.decode("utf-8", "replace").removesuffix(".npy") for entry in entries]
    more = ", …" if count > _NAMED else ""
    raise _several(f"{count}: {', '.join(names[:_NAMED])}{more}")


def _entries(directory: bytes, count: int) -> list[ListedMember]:
    entries = []
    position = 0
    for _ in range(count):
        if position + _ENTRY.size > len(directory):
            raise _damaged("its directory is shorter than its end says")
        fields = _ENTRY.unpack_from(directory, position)
        signature, _, _, _, method, _, _, crc, compressed_bytes, size_bytes, *others = fields
        name_bytes, extra_bytes, comment_bytes, _, _, _, offset = others
        position += _ENTRY.size
        name = directory[position : position + name_bytes]
        position += name_bytes + extra_bytes + comment_bytes
        if signature != b"PK\1\2":
            raise _damaged("its directory has entries of another kind")
        entries.append(ListedMember(name, method, crc, compressed_bytes, size_bytes, offset))
    if position != len(directory):
        raise _damaged("its directory is longer than its entries")
    return entries


class Member:
    """The first member of an archive, as it comes out: its bytes, their number, their checksum."""

    def __init__(self, archive: Archive) -> None:
        start = archive.read(_LOCAL.size)
        if len(start) < _LOCAL.size or start[:4] != b"PK\3\4":
            empty = start[:4] == b"PK\5\6"
            raise _bad("the archive holds no array") if empty else _damaged("it has no member")
        _, _, flags, method, _, _, _, size_bytes, _, name_bytes, extra_bytes = _LOCAL.unpack(start)
        if flags & _ENCRYPTED:
            raise _bad("the archive is encrypted", limit="not encrypted")
        if flags & ~_KNOWN_FLAGS or method not in {_STORED, _DEFLATED}:
            raise _bad(
                "the archive is compressed in a way that numpy does not use",
                f"method {method}, flags {flags:#x}",
                "stored or deflated",
            )
        if max(name_bytes, extra_bytes) > _NAME_LIMIT_BYTES:
            raise _bad("the name of the array is too long", name_bytes, _NAME_LIMIT_BYTES)
        self._archive = archive
        self.deflated = method == _DEFLATED
        self._method = method
        self._name = archive.read(name_bytes)
        extra = archive.read(extra_bytes)
        if size_bytes == 0xFFFFFFFF and extra[:4] == _ZIP64 and len(extra) >= _ZIP64_SIZES.size:
            size_bytes = _ZIP64_SIZES.unpack_from(extra)[-1]  # as numpy writes it, always
        # How much of a stored member is left; unknown if its length stands behind it.
        self._left_bytes = None if self.deflated or flags & _LENGTH_BEHIND else size_bytes
        self._begins = archive.position
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if self.deflated else None
        self._crc = 0
        self._size_bytes = 0

    def check_fits(self, body_bytes: int) -> None:
        """Refuse an array that no archive of this length can hold."""
        ratio = _DEFLATE_RATIO if self._inflater else 1
        if body_bytes > ratio * self._archive.size_bytes:
            raise _wrong_length("shorter")

    @property
    def pending(self) -> bytes:
        """A buffer of bytes that were read from the archive, and not yet used."""
        if self._inflater is None:
            return b""
        inflater = self._inflater
        return inflater.unused_data if inflater.eof else inflater.unconsumed_tail

    def read(self, size: int, /) -> bytes:
        """Return the next bytes of the member, fewer only at its end."""
        buffer = memoryview(bytearray(size))
        done = 0
        while done < size and (got := self._take(buffer[done:])):
            done += got
        return bytes(buffer[:done])

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes of the member; raises BAD_LENGTH at its end."""
        got = self._take(buffer)
        ended = self._inflater.eof if self._inflater else self._left_bytes == 0
        if not got and (ended or not self._archive.rest_bytes):
            raise _wrong_length("shorter")
        return got

    def _take(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as the next bytes go, and count and sum them."""
        if self._inflater is None:
            got = self._archive.readinto(buffer[: self._left_bytes])
            if self._left_bytes is not None:
                self._left_bytes -= got
        else:
            data = self._inflated(self._inflater, min(len(buffer), _PIECE_BYTES))
            got = len(data)
            buffer[:got] = data
        self._crc = zlib.crc32(buffer[:got], self._crc)
        self._size_bytes += got
        return got

    def _inflated(self, inflater: zlib._Decompress, limit_bytes: int) -> bytes:
        while not inflater.eof:
            chunk = inflater.unconsumed_tail or self._archive.read(_CHUNK_BYTES)
            try:
                data = inflater.decompress(chunk, limit_bytes)
            except zlib.error:
                raise _damaged("its compressed data is not valid") from None
            if data or not chunk:
                return data
        return b""

    def finish(self) -> None:
        """Read the rest after the member, and compare it with the directory."""
        if self._left_bytes or (self._inflater and self._inflated(self._inflater, 1)):
            raise _wrong_length("longer")
        begins_next = self._archive.position - len(self.pending)
        entry = only_entry(self._archive.rest(self.pending), self._archive.size_bytes)
        if entry.size_bytes != self._size_bytes:
            raise _wrong_length("longer" if entry.size_bytes > self._size_bytes else "shorter")
        found = (self._name, self._method, begins_next - self._begins, 0)
        if found != (entry.name, entry.method, entry.compressed_bytes, entry.offset):
            raise _damaged("its directory describes another member than it holds")
        if entry.crc != self._crc:
            raise _damaged("its checksum is not that of the array")


def _bad(message: str, observed: object = None, limit: object = None) -> Refused:
    return Refused(Code.BAD_FORMAT, message, _SAVE, observed=observed, limit=limit)


def _damaged(why: str) -> Refused:
    return Refused(Code.BAD_FORMAT, f"the archive is damaged: {why}", _SAVE)


def _several(found: str) -> Refused:
    return Refused(
        Code.BAD_FORMAT,
        "the archive holds several arrays",
        'keep one of them: numpy.save("a.npy", numpy.load("a.npz")["NAME"])',
        observed=found,
        limit="one array",
    )


def _wrong_length(how: str) -> Refused:
    return Refused(
        Code.BAD_LENGTH, f"the array in the archive is {how} than its header says", _SAVE
    )
