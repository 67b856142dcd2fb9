"""Name/value blocks: what is said of a stream when it is opened (SPDY/3.1, section 2.6.10).

All blocks of one direction are one zlib stream that begins with a dictionary of the draft's: both
sides must read every block, also of streams that they refuse.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from ciliate.lab.kubelet.spdy.errors import SpdyError

#: A block, when decompressed. kubectl's has three pairs, less than 100 octets.
BLOCK_BYTES_MAX: Final = 16 * 1024
PAIRS_MAX: Final = 64

_LENGTH: Final = struct.Struct(">I")

#: The dictionary begins with these words, each with its length before it, ...
_WORDS: Final = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|"
    "accept-ranges|age|allow|authorization|cache-control|connection|content-base|"
    "content-encoding|content-language|content-length|content-location|content-md5|"
    "content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|"
    "if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|"
    "proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|"
    "transfer-encoding|upgrade|user-agent|vary|via|warning|www-authenticate|method|get|status|"
    "200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin"
)
#: ... and ends with this text.
_TEXT: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _with_length(text: str) -> bytes:
    return _LENGTH.pack(len(text)) + text.encode("ascii")


DICTIONARY: Final = b"".join(map(_with_length, _WORDS.split("|"))) + _TEXT.encode("ascii")


class BlockWriter:
    """Compresses one direction's blocks."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def write(self, headers: Mapping[str, str]) -> bytes:
        """Return a block; names in lower case, as the format has them."""
        pairs = [_with_length(name.lower()) + _with_length(headers[name]) for name in headers]
        block = _LENGTH.pack(len(pairs)) + b"".join(pairs)
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class BlockReader:
    """Decompresses one direction's blocks."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, compressed: bytes) -> dict[str, str]:
        """Return a block's pairs.

        Raises:
            SpdyError: It is no block, or too large; later ones cannot be read either.
        """
        try:
            block = self._inflate.decompress(compressed, BLOCK_BYTES_MAX + 1)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be decompressed ({error})") from error
        if len(block) > BLOCK_BYTES_MAX or self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block has more than {BLOCK_BYTES_MAX} bytes")
        return _pairs(block)


def _pairs(block: bytes) -> dict[str, str]:
    count, position = _number(block, 0)
    if count > PAIRS_MAX:
        raise SpdyError(f"a header block has {count} pairs: {PAIRS_MAX} is the bound")
    headers: dict[str, str] = {}
    for _ in range(count):
        name, position = _text(block, position)
        headers[name], position = _text(block, position)
    if position != len(block):
        raise SpdyError(f"a header block has {len(block) - position} bytes behind its last pair")
    return headers


def _text(block: bytes, position: int) -> tuple[str, int]:
    length, position = _number(block, position)
    if position + length > len(block):
        raise SpdyError("a header block ends within a pair")
    return block[position : position + length].decode("utf-8", "replace"), position + length


def _number(block: bytes, position: int) -> tuple[int, int]:
    if position + _LENGTH.size > len(block):
        raise SpdyError("a header block ends within a number")
    return _LENGTH.unpack_from(block, position)[0], position + _LENGTH.size
