"""The command line ``arinova-agent``: run an agent, chat with it, see it in the browser, find what is wrong.

Importing this needs nothing but the package itself, so that a missing extra can be told in words.
"""

from __future__ import annotations

import sys

from ..extras import install_command

__all__ = ["main"]

_EXTRA = {"click", "python_multipart", "rich", "starlette", "uvicorn", "watchfiles", "websockets"}
_USAGE = 2  # exit code


def main() -> None:
    """Run the command line and exit."""
    try:
        from .group import group

        group(prog_name="arinova-agent")
    except ImportError as error:
        missing = error if error.name else error.__cause__
        if not isinstance(missing, ImportError) or (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"arinova-agent needs {missing.name}, which is not installed. Install the command line with\n\n"
            f"    {install_command('playground')}\n"
        )
        sys.exit(_USAGE)
