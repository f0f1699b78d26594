"""Open the page in the user's browser, without the token on a command line that other users can read."""

from __future__ import annotations

import html
import os
import shutil
import sys
import tempfile
import webbrowser
from pathlib import Path

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>Playground</title>
<p><a href="{url}">Open the playground</a></p>
"""


class BrowserLink:
    """Lead a browser to an address by a file that only its user can read. Not thread-safe.

    Args:
        url: the address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder: str | None = None

    def send(self) -> bool:
        """Open the browser; return False if there is none or the file cannot be written."""
        try:
            self._folder = tempfile.mkdtemp(prefix="arinova-playground-", dir=_readable_by_browsers())
            path = os.path.join(self._folder, "playground.html")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(_PAGE.format(url=html.escape(self._url)))
            sent = webbrowser.open(Path(path).as_uri())
        except (OSError, webbrowser.Error):
            sent = False
        if not sent:
            self.close()
        return sent

    def close(self) -> None:
        """Remove the file. Idempotent."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _readable_by_browsers() -> str | None:
    """Return where the file goes, None for the usual place."""
    # A browser of snap has a /tmp of its own, and of the user's home it sees what is not hidden.
    home = Path.home()
    return str(home) if sys.platform == "linux" and (home / "snap").is_dir() else None
