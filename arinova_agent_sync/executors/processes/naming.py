"""How a process is told which handlers it is to run: by the names under which it finds them in the same files."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from types import ModuleType

from ...errors import ExecutorError
from ..protocol import RemoteAgent
from .process_messages import LoadAgent, Named, Source

_MAIN = "__main__"


def describe(agent: RemoteAgent, number: int) -> LoadAgent:
    """Return what a process must load to answer an agent's tasks.

    Functions at the top of a module are named by it. If there is anything else (a method, a partial, a lambda in
    the agent's options), the process takes the agent that the module makes at the same line.

    Raises ExecutorError if neither is possible.
    """
    handlers = {command: _named(handler) for command, handler in agent.handlers.items()}
    around = tuple(_named(function) for function in agent.around)
    wanted = agent.error_text
    error_text = None if wanted is str else wanted if isinstance(wanted, str) else _named(wanted)
    nameable = None not in (*handlers.values(), *around) and (error_text is not None or wanted is str)
    made_at = agent.made_at
    if not nameable or agent.ssl_context is not None:
        if made_at is None:
            raise ExecutorError(_cannot_be_named(agent))
        sources = {made_at[0]: _source(made_at[0])}
        named = None
        around, error_text = (), None
    else:
        named = [(command, name) for command, name in handlers.items() if name is not None]
        functions = [name for _, name in named] + [name for name in around if name is not None]
        if isinstance(error_text, Named):
            functions.append(error_text)
        sources = {name.module: _source(name.module) for name in functions}
        if made_at is not None and made_at[0] not in sources:
            made_at = None  # it is not what its handlers need
    return LoadAgent(
        number,
        agent.server_url,
        agent.token,
        agent.proxy,
        tuple(sources.values()),
        named,
        tuple(handlers),
        tuple(name for name in around if name is not None),
        error_text,
        made_at,
        logging.getLogger().getEffectiveLevel(),
        _log_levels(),
    )


def resolve(module: ModuleType, name: str) -> object:
    """Return what stands under a dotted name in a module; raise AttributeError if there is nothing."""
    found: object = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _named(function: Callable[..., object]) -> Named | None:
    """Return the name of a function at the top of a module, None for another one."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
        return None
    try:
        found = resolve(sys.modules[module], name)
    except AttributeError:  # a function in a function, a lambda
        return None
    return Named(module, name) if found is function else None


def _source(module: str) -> Source:
    loaded = sys.modules.get(module)
    path = getattr(loaded, "__file__", None)
    if module != _MAIN:
        return Source(module, None if path is None else os.path.abspath(path))
    spec = getattr(loaded, "__spec__", None)
    if spec is not None:
        return Source(module, None, spec.name)
    if path is None or not os.path.isfile(path):
        raise ExecutorError(
            "handlers of a notebook, of an interactive session or of standard input cannot be run in another "
            "process, which would have no file to load them from: put them into a file, and import them"
        )
    return Source(module, os.path.abspath(path))


def _cannot_be_named(agent: RemoteAgent) -> str:
    names = [
        getattr(function, "__qualname__", None) or repr(function)
        for function in (*agent.handlers.values(), *agent.around)
        if _named(function) is None
    ]
    what = ", ".join(names) or "error_text or ssl_context"
    return (
        f"another process cannot find {what}: define handlers at the top level of a module, not inside a function, "
        "or make the agent there"
    )


def _log_levels() -> dict[str, int]:
    known = logging.Logger.manager.loggerDict.copy()
    return {
        name: logger.level
        for name, logger in known.items()
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET
    }
