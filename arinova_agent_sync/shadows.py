"""Files of a program that take the place of modules which this package needs, and how they are named.

A script's own folder comes first where Python looks for modules: a file websocket.py in it hides websocket-client.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

__all__ = ["HiddenModule", "naming_shadows"]

_OURS = ("arinova_agent_sync", "websocket")  # whose modules are looked through


class HiddenModule(ImportError):
    """A file of the program takes the place of a module that this package needs; ``path`` says which file."""


@contextmanager
def naming_shadows() -> Iterator[None]:
    """Import in the block; raise HiddenModule that names a file which hides a module that is needed."""
    try:
        yield
    except Exception as error:
        if (shadow := _of_websocket_client() or _of_python(sys.modules)) is not None:
            raise shadow from error
        raise
    if (shadow := _of_python(_used())) is not None:
        raise shadow


def _of_websocket_client() -> HiddenModule | None:
    spec = find_spec("websocket")
    if spec is None or spec.origin is None:
        return None
    if os.path.exists(os.path.join(os.path.dirname(spec.origin), "_handshake.py")):
        return None
    return _hides(spec.origin, "websocket", "the package websocket-client")


def _of_python(modules: dict[str, ModuleType]) -> HiddenModule | None:
    python = os.path.dirname(os.__file__)
    if python not in sys.path:  # in a frozen program there are no folders
        return None
    earlier = {os.path.abspath(folder) for folder in sys.path[: sys.path.index(python)]}
    for name in sys.stdlib_module_names.intersection(modules):
        file = getattr(modules[name], "__file__", None)
        if file is None:
            continue
        folder = os.path.dirname(os.path.abspath(file))
        if os.path.basename(file).startswith("__init__."):
            folder = os.path.dirname(folder)
        if folder in earlier:
            return _hides(file, name, f"Python's own module {name}")
    return None


def _used() -> dict[str, ModuleType]:
    """Return the modules that are used here, by name."""
    used = {}
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] in _OURS:
            for value in tuple(vars(module).values()):
                if isinstance(value, ModuleType):
                    used[value.__name__] = value
    return used


def _hides(file: str, name: str, what: str) -> HiddenModule:
    text = f"{file} hides {what}, which arinova_agent_sync needs: rename it"
    return HiddenModule(text, name=name, path=file)
