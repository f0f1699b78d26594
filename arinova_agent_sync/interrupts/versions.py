"""Which releases of the HTTP libraries are known, for the error when one has changed inside."""

from __future__ import annotations

import sys

KNOWN = {
    "httpx": "0.28",
    "httpcore": "1.0",
    "httpx2": "2.16",
    "httpcore2": "2.16",
    "urllib3": "2.2 to 2.8",
    "requests": "2.32 to 2.34",
    "botocore": "1.37 to 1.44",
}


def unknown_release(library: str, missing: str) -> TypeError:
    """Return the error for a library that lacks a name which every known release has."""
    version = getattr(sys.modules.get(library), "__version__", "of an unknown version")
    return TypeError(
        f"interruptible() does not fit {library} {version}: it lacks {missing}. Known is {library} "
        f"{KNOWN.get(library, '')}: install that, or leave interruptible() out and give the client a timeout"
    )
