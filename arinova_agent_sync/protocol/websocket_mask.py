"""The XOR of a client's frames with their mask keys: in C if the package websockets is there, else in Python.

Of what runs on a chunk's way to the wire this is most of it, and the standard library has no fast way to do it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

_STRIDED_FROM = 1024  # bytes; measured: above it four strided translations beat one big-integer XOR
_SLICE = 64 * 1024  # bytes; measured: longer integers do not fit into a core's cache any more

in_c: Callable[[bytes, bytes], bytes] | None
try:
    from websockets.speedups import apply_mask as in_c
except ImportError:
    in_c = None


def masked(payload: bytes, mask: bytes) -> bytes | bytearray:
    """Return a payload under a mask key of 4 bytes."""
    if in_c is not None:
        return in_c(payload, mask)
    size = len(payload)
    if size < _STRIDED_FROM:
        return xor(payload, (mask * (size // 4 + 1))[:size])
    result = bytearray(size)
    for at, key in enumerate(mask):
        result[at::4] = payload[at::4].translate(_table(key))
    return result


def xor(left: bytes, right: bytes) -> bytes:
    """Return the XOR of two texts of one length."""
    size = len(left)
    if size > _SLICE:
        return b"".join(
            [xor(left[at : at + _SLICE], right[at : at + _SLICE]) for at in range(0, size, _SLICE)]
        )
    both = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return both.to_bytes(size, "little")


@cache
def _table(key: int) -> bytes:
    """Return what each byte becomes under one byte of a mask key."""
    return bytes(byte ^ key for byte in range(256))
