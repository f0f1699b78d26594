"""How to install what an optional part of the package needs."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = "arinova-agent-sync"
_CHECKOUT = Path(__file__).parents[1]


def install_command(extra: str, checkout: Path = _CHECKOUT) -> str:
    """Return the command that installs what an extra of this package needs.

    Args:
        extra: its name in pyproject.toml, such as "playground".
        checkout: the folder that this package was loaded from; without a pyproject.toml it is no checkout, and
            what is needed is named one by one.
    """
    if (checkout / "pyproject.toml").is_file():
        return f'pip install -e "{checkout}[{extra}]"'
    return " ".join(["pip install", *(f'"{each}"' for each in _needed(extra))])


def _needed(extra: str) -> list[str]:
    """Return the requirements of an extra as the installed package tells them, those of extras in it included."""
    from importlib import metadata  # here: it loads a lot, and is seldom needed

    needed = []
    for line in metadata.requires(_NAME) or ():
        requirement, _, condition = (part.strip() for part in line.replace("'", '"').partition(";"))
        if f'extra == "{extra}"' in condition:
            inner = re.fullmatch(rf"{_NAME}\[(\w+)\]", requirement)
            needed += _needed(inner[1]) if inner else [requirement]
    return needed
