"""The waits between retries: some clients spend them in ``time.sleep``, which nothing wakes, for up to a minute.

In their modules the name ``time`` gets a stand-in, whose ``sleep`` a cancel ends. ``time.sleep`` itself stays:
every library uses it, a database's driver amid a commit too.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from .scope import current_scope
from .versions import unknown_release

MODULES = (
    "anthropic._base_client",
    "botocore.endpoint",
    "groq._base_client",
    "mistralai.client.utils.retries",
    "openai._base_client",
    "tenacity.nap",
    "urllib3.util.retry",
)


class _InterruptibleTime:
    """The module ``time`` but for ``sleep``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep; raise TaskCancelled at a cancel."""
        if (scope := current_scope()) is None:
            time.sleep(seconds)
        else:
            scope.wait(threading.Event(), seconds)


_interruptible_time = _InterruptibleTime()


def make_interruptible() -> None:
    """Let a cancel end the waits of the clients that are loaded; raise TypeError for one that waits otherwise."""
    loaded = [(name, module) for name in MODULES if (module := sys.modules.get(name)) is not None]
    for name, module in loaded:
        if getattr(module, "time", None) not in (time, _interruptible_time):
            raise unknown_release(name.split(".")[0], f"{name}.time")
    for _, module in loaded:
        module.time = _interruptible_time  # type: ignore[attr-defined]
