"""The command as a whole: what it offers, what it loads, what it says without the extra."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner

import arinova_agent_sync
from arinova_agent_sync.cli.group import group

from .conftest import PATIENCE, ROOT, Command

Start = Callable[..., Command]


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run some code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )


def test_the_help_names_every_sub_command_and_each_has_its_own() -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    for name in ("run", "chat", "playground", "doctor"):
        assert f"\n  {name} " in result.output
        of_its_own = CliRunner().invoke(group, [name, "--help"])
        assert of_its_own.exit_code == 0
        assert f"{name} [OPTIONS]" in of_its_own.output


def test_the_version_and_a_sub_command_that_is_not_there(command: Start) -> None:
    running = command("--version")
    assert running.exit_code() == 0
    assert running.out.text == f"arinova-agent, version {arinova_agent_sync.__version__}\n"
    running = command("rum")
    assert running.exit_code() == 2
    assert "No such command 'rum'" in running.err.text


def test_each_sub_command_loads_what_it_needs_alone() -> None:
    heavy = ("asyncio", "starlette", "uvicorn", "rich", "watchfiles", "urllib3", "websocket", "ssl")
    code = """
import sys
from click.testing import CliRunner
from arinova_agent_sync.cli.group import group
assert CliRunner().invoke(group, {arguments}).exit_code == 0
print(*[name for name in {heavy} if name in sys.modules])
"""
    for arguments, loaded in ((["--help"], ""), (["run", "--help"], "websocket ssl")):
        assert python(code.format(arguments=arguments, heavy=heavy)).stdout.strip() == loaded


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [("click", ["run", "my_agent.py"]), ("starlette", ["chat"]), ("watchfiles", ["playground"])],
)
def test_without_the_extra_it_says_how_to_install_it(missing: str, arguments: list[str]) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
sys.argv[1:] = {arguments}
from arinova_agent_sync.cli import main
main()
"""
    ended = python(code)
    assert ended.returncode == 2
    assert f"arinova-agent needs {missing}, which is not installed." in ended.stderr
    assert f'pip install -e "{ROOT}[playground]"' in ended.stderr
    assert "Traceback" not in ended.stderr
