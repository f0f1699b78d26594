"""Which changes of a source are tried."""

from __future__ import annotations

import pytest

from .operators import mutants


def changed(body: str) -> list[str]:
    """Return what becomes of the one statement of a function."""
    before = f"def function():\n    {body}\n"
    return [mutant.applied(before).splitlines()[1].strip() for mutant in mutants(before)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = b < c", ["a = (b <= c)", "a = (b >= c)"]),
        ("a = b is c", ["a = (b is not c)"]),
        ("a = b and c", ["a = (b or c)", "a = (b)", "a = (c)"]),
        ("a = not b", ["a = (b)"]),
        ("a = 7", ["a = 8"]),
        ("a = True", ["a = False"]),
        ("a = b - c", ["a = (b + c)"]),
        ("a += b", ["a -= b"]),
        ("return a", ["return None"]),
        ("return None", ["return False"]),
        ("return False", ["return True"]),
        ("a()", ["pass"]),
        ('logger.error("a")', ["pass"]),
        ('logger.debug("a")', []),
        ("a: int = b", []),
        ('"""Say what it does."""', []),
        ('return f"{a + b}"', ["return None"]),
        ("a = 'ä' < b", ["a = ('ä' <= b)", "a = ('ä' >= b)"]),
    ],
)
def test_changes(before: str, after: list[str]) -> None:
    assert sorted(changed(before)) == sorted(after)


def test_only_the_bodies_of_functions_are_changed() -> None:
    source = (
        "LIMIT = 3\n\n\nclass Thing:\n    size: int = 4\n\n    def all(self) -> bool:\n        return True\n"
    )
    [mutant] = mutants(source)
    assert (mutant.operator, mutant.line) == ("constant", 8)
    assert mutant.applied(source) == source.replace("True", "False")
