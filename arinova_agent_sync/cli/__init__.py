"""The command line ``arinova-agent``: run an agent, chat with it, see it in the browser, find what is wrong.

Importing this needs nothing but the package itself, so that a missing extra can be told in words.
"""

from __future__ import annotations

import sys

from ..extras import install_command
from ..shadows import HiddenModule, naming_shadows

__all__ = ["main"]

_EXTRA_OF = {
    **dict.fromkeys(
        ("click", "filelock", "markdown_it", "prometheus_client", "prompt_toolkit", "rich"), "cli"
    ),
    **dict.fromkeys(("python_multipart", "starlette", "uvicorn", "watchfiles", "websockets"), "playground"),
}
_USAGE = 2  # exit code


def main() -> None:
    """Run the command line and exit."""
    try:
        with naming_shadows():  # python -m looks for modules in the current folder first
            from .group import group

            group(prog_name="arinova-agent")
    except HiddenModule as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(_USAGE)
    except ImportError as error:
        missing = error if error.name else error.__cause__
        name = (missing.name or "").partition(".")[0] if isinstance(missing, ImportError) else ""
        if name not in _EXTRA_OF:
            raise
        sys.stderr.write(
            f"This command needs {name}, which is not installed. Install it and its like with\n\n"
            f"    {install_command(_EXTRA_OF[name])}\n"
        )
        sys.exit(_USAGE)
