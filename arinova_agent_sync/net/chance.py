"""Chance, for waits that are to be spread."""

from __future__ import annotations

import os

__all__ = ["chance"]


def chance() -> float:
    """Return a number from 0 up to 1.

    Not by way of ``random``: a program may have a file of that name, which takes the place of Python's.
    """
    return int.from_bytes(os.urandom(4), "big") / 2**32
