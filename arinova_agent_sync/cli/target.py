"""What a TARGET names: a file or a module of the user's, and the agents in it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from .. import _internals
from ..agent import ArinovaAgent
from ..settings import BOT_TOKEN_VARIABLE, SERVER_URL_VARIABLE
from .beside import BesideTarget

__all__ = ["TargetError", "Work", "file_of", "folder_of", "name_of", "split", "with_agents"]

Work = Callable[[Sequence[ArinovaAgent]], None]

_PACKAGE = str(Path(__file__).parents[1])
_OVER = ("stopped", "failed")


class TargetError(Exception):
    """Say why a target cannot be used.

    Attributes:
        late: whether its agents had been in use before it failed.
    """

    def __init__(self, text: str, *, late: bool = False) -> None:
        super().__init__(text)
        self.late = late


def with_agents(
    target: str,
    work: Work,
    *,
    server_url: str | None = None,
    bot_token: str | None = None,
    embedded: bool = False,
) -> None:
    """Load a target and do something with its agents.

    A target that calls ``run()`` itself gets the work done inside that call, so that what it holds open around it
    is open, and what follows comes after it. An embedded one that connects its agent and goes on by itself gets it
    done on another thread, and is interrupted after it.

    Args:
        target: a file, a module, or one of them with ``:attribute``; the attribute is an agent or makes one.
        work: is given the agents; none if the target has worked with them to their end already.
        server_url, bot_token: what they use, whatever they were made with; None leaves it as it is.
        embedded: whether the server is one on this machine that is there for this target alone. There is one agent
            then, and no proxy leads to it. Only in the main thread.

    Raises TargetError, which says what to do, and whatever the work raises.
    """
    _Loading(target, work=work, server_url=server_url, bot_token=bot_token, embedded=embedded).run()


def split(target: str) -> tuple[str, str]:
    """Return a target's file or module, and its attribute or an empty text."""
    name, colon, attribute = target.rpartition(":")
    if colon and name and attribute.isidentifier():
        return name, attribute
    return target, ""


def name_of(target: str) -> str:
    """Return a name for a target's agent that can be mentioned: one word."""
    name, attribute = split(target)
    path = Path(name)
    stem = attribute or (path.stem if path.suffix == ".py" else name.rpartition(".")[2])
    words = [word for word in re.split(r"[\W_]+", stem) if word]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Agent"


def folder_of(target: str) -> Path:
    """Return the folder from which a target imports."""
    name, _ = split(target)
    return Path(name).resolve().parent if _is_file(name) else Path.cwd()


def file_of(target: str) -> Path | None:
    """Return the file that a target names, None if it names a module; raise TargetError if there is neither."""
    name, _ = split(target)
    if not name:
        raise TargetError("The TARGET is empty. Name a file, such as my_agent.py.")
    if not _is_file(name):
        if not all(part.isidentifier() for part in name.split(".")) or not _is_module(name.partition(".")[0]):
            raise TargetError(_nothing_called(name))
        return None
    path = Path(name).resolve()
    if path.is_dir():
        raise TargetError(f"{name} is a folder. Name a file in it, such as {Path(name) / 'my_agent.py'}.")
    if not path.is_file():
        raise TargetError(f"There is no file {name}.")
    return path


def _is_file(name: str) -> bool:
    return Path(name).suffix == ".py" or Path(name).exists()


def _is_module(name: str) -> bool:
    with _changed(sys.path):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return name in sys.modules or importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            return False


def _nothing_called(name: str) -> str:
    return f"There is no file and no module {name}. Name a file, such as my_agent.py."


class _Loading:
    """One target on its way from a name to its agents, and the work that is done with them.

    Args:
        target, work, server_url, bot_token, embedded: as for ``with_agents``.
    """

    def __init__(
        self, target: str, *, work: Work, server_url: str | None, bot_token: str | None, embedded: bool
    ) -> None:
        self._name, self._attribute = split(target)
        self._work = work
        self._server_url = server_url
        self._bot_token = bot_token
        self._embedded = embedded
        self._thread = threading.get_ident()
        self._module: ModuleType | None = None
        self._called = False  # the attribute, which makes the agent
        self._worked = False
        self._failure: BaseException | None = None  # what the work raised
        self._beside = BesideTarget(lambda agent: self._do([agent]))

    def run(self) -> None:
        with _changed(sys.path), _changed(sys.argv), self._environment(), self._hooks():
            agents: Sequence[ArinovaAgent] = ()
            try:
                with self._beside.interrupting():
                    self._import()
                    if not (self._worked or self._beside.begun):
                        agents = self._agents()
                if self._beside.call_off():
                    agents = () if self._worked else self._usable(agents)
                else:
                    self._beside.join()
            except (TargetError, KeyboardInterrupt):
                raise
            except BaseException as error:
                if error is self._failure or (self._worked and isinstance(error, SystemExit)):
                    raise
                what = "failed" if self._worked else "cannot be loaded"
                text = f"{self._name} {what}:\n{_users_traceback(error)}"
                raise TargetError(text, late=self._worked) from error
            finally:
                self._beside.call_off()
            if not self._worked:
                self._do(agents)

    # The target

    def _import(self) -> None:
        name = self._name
        sys.path.insert(0, str(folder_of(name)))
        sys.argv[:] = [name]
        path = file_of(name)
        if path is None:
            try:
                self._module = importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                    raise
                raise TargetError(_nothing_called(name)) from None
            return
        module_name = _free_name(path)
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise TargetError(f"{name} is not a Python file.")
        self._module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(self._module)
        except BaseException:
            sys.modules.pop(module_name, None)
            raise

    def _agents(self) -> Sequence[ArinovaAgent]:
        if self._attribute:
            return self._of_attribute()
        found = {
            id(each): (name, each)
            for name, each in vars(self._module).items()
            if isinstance(each, ArinovaAgent)
        }
        if not found:
            raise TargetError(
                f"{self._name} has no ArinovaAgent at its module level. Make one there, agent = ArinovaAgent(), "
                f"or name the function that makes it: {self._name}:function"
            )
        if len(found) > 1:
            names = " or ".join(f"{self._name}:{name}" for name, _ in found.values())
            raise TargetError(f"{self._name} has several agents. Say which: {names}")
        return [agent for _, agent in found.values()]

    def _of_attribute(self) -> Sequence[ArinovaAgent]:
        try:
            found = getattr(self._module, self._attribute)
        except AttributeError:
            raise TargetError(f"There is no {self._attribute} in {self._name}.") from None
        if callable(found) and not isinstance(found, ArinovaAgent):
            self._called = True
            found = found()
            if self._worked:
                return ()
        if not isinstance(found, ArinovaAgent):
            raise TargetError(
                f"{self._attribute} of {self._name} is not an ArinovaAgent"
                + (", and does not return one." if self._called else ".")
            )
        return [found]

    def _usable(self, agents: Sequence[ArinovaAgent]) -> Sequence[ArinovaAgent]:
        """Leave out what the target itself has connected and disconnected."""
        left = [agent for agent in agents if agent.stats().life not in _OVER]
        if not left and self._embedded:
            raise TargetError(f"{self._name} has disconnected its agent already.")
        return left

    # The work

    def _do(self, agents: Sequence[ArinovaAgent]) -> None:
        self._worked = True
        for agent in agents:
            self._point(agent)
        try:
            self._work(agents)
        except BaseException as error:
            self._failure = error
            raise

    def _run(self, agents: Sequence[ArinovaAgent]) -> None:
        """Stand for run(), called by the target's own code."""
        if not self._beside.call_off():
            self._beside.join()
            return
        if self._attribute and not self._called:
            chosen = getattr(self._module, self._attribute, None)
            if not isinstance(chosen, ArinovaAgent):
                return  # it comes later, or makes its agent when it is called
            agents = (chosen,)
        if len(agents) > 1 and self._embedded:
            text = f"{self._name} runs several agents. Say which: {self._name}:name"
            raise TargetError(text)
        self._do(agents)

    def _may_be_meant(self, agent: ArinovaAgent) -> bool:
        """Return whether an agent that the target connects itself can be the one that is named."""
        if not self._attribute or self._called:
            return True
        return getattr(self._module, self._attribute, None) is agent

    def _point(self, agent: ArinovaAgent) -> None:
        given = {"server_url": self._server_url, "bot_token": self._bot_token}
        changes = {name: value for name, value in given.items() if value is not None}
        _internals.redirect(agent, **changes, **({"proxy": ""} if self._embedded else {}))

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        """Take over what connects agents while the target is loaded and worked with."""

        def take_over(agents: Sequence[ArinovaAgent]) -> bool:
            if threading.get_ident() != self._thread:
                return False
            self._run(agents)
            return True

        def point_first(agent: ArinovaAgent) -> None:
            if not self._worked:
                self._point(agent)
                if self._embedded and self._may_be_meant(agent):
                    self._beside.begin_later(agent)

        with ExitStack() as hooks:
            hooks.enter_context(_internals.instead_of_run(take_over))
            if self._server_url is not None:
                hooks.enter_context(_internals.before_starts(point_first))
            yield

    @contextmanager
    def _environment(self) -> Iterator[None]:
        given = {SERVER_URL_VARIABLE: self._server_url, BOT_TOKEN_VARIABLE: self._bot_token}
        before = {name: os.environ.get(name) for name, value in given.items() if value is not None}
        os.environ.update({name: value for name, value in given.items() if value is not None})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _changed(values: list[str]) -> Iterator[None]:
    """Put a list back afterwards."""
    before = list(values)
    try:
        yield
    finally:
        values[:] = before


def _free_name(path: Path) -> str:
    """Return what a file's module is called: as others import it, unless that name is taken."""
    stem, place = path.stem, 1
    if stem.isidentifier() and stem not in sys.modules and stem not in sys.stdlib_module_names:
        return stem
    while (name := f"arinova_target_{place}") in sys.modules:
        place += 1
    return name


def _users_traceback(error: BaseException) -> str:
    """Return a traceback without the frames of this package and of importlib."""
    lines = traceback.TracebackException.from_exception(error)
    pending = [lines]
    while pending:
        each = pending.pop()
        each.stack = traceback.StackSummary.from_list(
            [frame for frame in each.stack if not _is_ours(frame.filename)]
        )
        pending += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
    return "".join(lines.format()).rstrip()


def _is_ours(filename: str) -> bool:
    return filename.startswith((_PACKAGE + os.sep, "<frozen importlib", "<frozen runpy")) or (
        os.sep + "importlib" + os.sep in filename
    )
