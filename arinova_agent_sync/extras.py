"""How to install what an optional part of the package needs."""

from __future__ import annotations

from pathlib import Path

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
    from importlib import metadata  # here: it loads a lot, and is seldom needed

    needed = [
        requirement.partition(";")[0].strip()
        for requirement in metadata.requires("arinova-agent-sync") or ()
        if f'extra == "{extra}"' in requirement.replace("'", '"')
    ]
    return " ".join(["pip install", *(f'"{each}"' for each in needed)])
