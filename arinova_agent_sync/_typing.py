"""What ``typing`` has from Python 3.11 on."""

from __future__ import annotations

import sys

__all__ = ["assert_never"]

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing import NoReturn

    def assert_never(value: NoReturn) -> NoReturn:
        """Tell the type checker, and whoever runs this, that all cases were seen before."""
        raise AssertionError(f"no case for {value!r}")
