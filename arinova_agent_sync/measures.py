"""What the numbers of ``stats()`` mean, noted at each field: for their documentation, and for who collects them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

__all__ = ["Measure", "counter", "documented", "gauge", "measures_of"]


class Measure(NamedTuple):
    """One number.

    Attributes:
        name: of its field.
        meaning: in words, for documentation.
        grows: whether it only ever grows, from 0 at the start.
    """

    name: str
    meaning: str
    grows: bool


def counter(meaning: str) -> Mapping[str, object]:
    """Return the metadata of a field with a number that only grows."""
    return {"meaning": meaning, "grows": True}


def gauge(meaning: str) -> Mapping[str, object]:
    """Return the metadata of a field with a number that grows and shrinks."""
    return {"meaning": meaning, "grows": False}


def measures_of(stats: type) -> Iterator[Measure]:
    """Return the numbers of a dataclass, in their order."""
    for field in fields(stats):
        if field.metadata:
            yield Measure(field.name, field.metadata["meaning"], field.metadata["grows"])


def documented(docstring: str | None, stats: type) -> str:
    """Return the docstring of a dataclass with its numbers in the place of ``{numbers}``."""
    before, mark, behind = (docstring or "").partition("{numbers}")
    if not mark:  # Python was told to keep none
        return before
    indent = before.rpartition("\n")[2]
    lines = (f"{each.name}: {each.meaning}." for each in measures_of(stats))
    return before + f"\n{indent}".join(lines) + behind
