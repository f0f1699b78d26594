"""The user's files in a worker: loaded up to where they would connect an agent, and no further."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType

from .. import _internals
from ..agent import ArinovaAgent

_MAIN = "__main__"
_AS_MAIN = "__mp_main__"  # what multiprocessing calls the main script of a process that it starts


class _StartsHere(BaseException):
    """The file has come to where it starts its agent."""


class Loader:
    """Load modules, and note which agents they make. Main thread only.

    Attributes:
        made: the agents, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.made: list[ArinovaAgent] = []
        self._hooks = ExitStack()
        self._loading = False
        self._thread = threading.get_ident()

    def install(self) -> None:
        """Let no agent of this process connect from now on: it would take the gateway's connection away."""
        self._hooks.enter_context(_internals.when_made(self.made.append))
        self._hooks.enter_context(_internals.before_starts(self._refuse))
        self._hooks.enter_context(_internals.instead_of_run(self._refuse_run))

    def load(self, module: str, path: str | None, run_as: str | None = None) -> ModuleType:
        """Return a module, loaded now if it was not; raise what loading it raises.

        Args:
            module: its name, "__main__" for the main script, whose guard is not passed.
            path: its file; what a module of that name is loaded from if it cannot be imported.
            run_as: the name by which ``python -m`` was given the main script.
        """
        with self._until_start():
            if module != _MAIN:
                return self._module(module, path)
            if _AS_MAIN not in sys.modules:
                spec = importlib.util.find_spec(run_as) if run_as is not None else None
                self._execute(_AS_MAIN, path if spec is None else spec.origin, run_as)
            return sys.modules[_AS_MAIN]
        return sys.modules[_AS_MAIN if module == _MAIN else module]

    def agent_made_at(self, module: str, line: int, before: int) -> ArinovaAgent | None:
        """Return the agent that was made at a line of a module, after so many others there."""
        module = _AS_MAIN if module == _MAIN else module
        for agent in self.made:
            if _internals.made_at(agent) == (module, line, before):
                return agent
        return None

    def _module(self, name: str, path: str | None) -> ModuleType:
        if name in sys.modules:
            return sys.modules[name]
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is not None and (path is None or spec.origin == path):
            return importlib.import_module(name)
        if path is None:
            raise ModuleNotFoundError(f"there is no module {name}", name=name)
        self._execute(name, path, None)
        return sys.modules[name]

    def _execute(self, name: str, path: str | None, run_as: str | None) -> None:
        spec = importlib.util.spec_from_file_location(name, path) if path is not None else None
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file", name=name)
        module = importlib.util.module_from_spec(spec)
        if run_as is not None:
            module.__package__ = run_as.rpartition(".")[0]  # for its relative imports
        sys.modules[name] = module
        if name == _AS_MAIN:
            sys.modules[_MAIN] = module  # what is pickled names it by that
        try:
            spec.loader.exec_module(module)
        except _StartsHere:
            raise
        except BaseException:
            sys.modules.pop(name, None)
            raise

    @contextmanager
    def _until_start(self) -> Iterator[None]:
        self._loading = True
        try:
            yield
        except _StartsHere:
            pass
        finally:
            self._loading = False

    def _refuse(self, _: ArinovaAgent) -> None:
        if self._loading and threading.get_ident() == self._thread:
            raise _StartsHere
        raise RuntimeError(
            "this process runs handlers of an agent that another process has connected: it must not connect"
        )

    def _refuse_run(self, agents: Sequence[ArinovaAgent]) -> bool:
        self._refuse(agents[0])
        return True


def told(error: BaseException) -> str:
    """Return what is to be told of a file that cannot be loaded: its traceback, without the frames of importing."""
    if isinstance(error, SystemExit):
        return f"it ended the process: SystemExit({error.code!r})"
    lines = traceback.TracebackException.from_exception(error)
    stack = [
        frame
        for frame in lines.stack
        if frame.filename != __file__ and not frame.filename.startswith("<frozen importlib")
    ]
    lines.stack = traceback.StackSummary.from_list(stack)
    return "".join(lines.format()).rstrip()
