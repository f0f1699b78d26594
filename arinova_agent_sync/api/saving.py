"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` at the end of the block, and is removed if the block fails."""
    target = Path(path)
    # Beside the target: os.replace() is atomic within one file system only. Not by tempfile, whose files are
    # for their owner alone.
    part = target.with_name(f".{target.name[:50]}.{secrets.token_hex(6)}.part")
    try:
        with open(part, "xb") as file:
            yield file
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
