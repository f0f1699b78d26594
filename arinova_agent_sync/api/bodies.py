"""Bodies: those of answers are counted while they arrive, and unpacked without trust."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

_BLOCK = 64 * 1024  # bytes that one step may unpack


class BrokenBody(Exception):
    """A body is not what its headers say."""


class SourceError(Exception):
    """The source of a request's body failed; the cause says why. Not an OSError: the network did not fail."""


class BodyTooLarge(Exception):
    """A body has more bytes than it may have."""


def unpacked(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body without its Content-Encoding, in pieces of 64 KiB at most, however well it was packed.

    Raises BrokenBody for an encoding that was not asked for and for one that does not unpack.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return iter(blocks)
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(blocks)
    raise BrokenBody(f"it came in the encoding {encoding!r}, which was not asked for")


def _inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = None
    try:
        for block in blocks:
            while block or inflater is not None:
                if inflater is None:
                    inflater = zlib.decompressobj(32 + zlib.MAX_WBITS)  # gzip or zlib, by its first bytes
                piece = inflater.decompress(block, _BLOCK)
                if piece:
                    yield piece
                block = inflater.unconsumed_tail
                if inflater.eof:
                    block, inflater = inflater.unused_data, None  # another member may follow
                elif not block and len(piece) < _BLOCK:
                    break
    except zlib.error as error:
        raise BrokenBody(f"it does not unpack: {error}") from error
    if inflater is not None:
        raise BrokenBody("it ended in the middle of its compressed data")


def limited(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield a body up to its limit in bytes; raise BodyTooLarge at the first byte above it."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise BodyTooLarge
        yield block
