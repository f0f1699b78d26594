"""The command as a whole: what it offers, what it loads, what it says without the extra."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest
from click.testing import CliRunner

import arinova_agent_sync
from arinova_agent_sync.cli.group import group

from .conftest import PATIENCE, ROOT, Command, Write

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
    heavy = ("asyncio", "prompt_toolkit", "starlette", "uvicorn", "rich", "watchfiles")
    heavy += ("urllib3", "websocket", "ssl")
    code = """
import sys
from click.testing import CliRunner
from arinova_agent_sync.cli.group import group
assert CliRunner().invoke(group, {arguments}).exit_code == 0
print(*[name for name in {heavy} if name in sys.modules])
"""
    for arguments, loaded in ((["--help"], ""), (["run", "--help"], "websocket ssl")):
        assert python(code.format(arguments=arguments, heavy=heavy)).stdout.strip() == loaded


OF_PLAYGROUND = ("python_multipart", "starlette", "uvicorn", "watchfiles", "websockets")


def without(missing: Iterable[str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command line where some packages are not installed."""
    return python(f"""
import sys
sys.modules.update(dict.fromkeys({list(missing)!r}))
sys.argv[1:] = {arguments!r}
from arinova_agent_sync.cli import main
main()
""")


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        (["click"], ["run", "my_agent.py"], "cli"),
        (OF_PLAYGROUND, ["chat"], "playground"),
        (OF_PLAYGROUND, ["playground"], "playground"),
    ],
)
def test_without_the_extra_it_says_how_to_install_it(
    missing: Iterable[str], arguments: list[str], extra: str
) -> None:
    ended = without(missing, arguments)
    assert ended.returncode == 2
    assert "This command needs" in ended.stderr
    assert "which is not installed." in ended.stderr
    assert f'pip install -e "{ROOT}[{extra}]"' in ended.stderr
    assert "Traceback" not in ended.stderr


def test_run_and_doctor_do_without_the_playground() -> None:
    server = ["--server-url", "http://127.0.0.1:9"]
    ended = without(OF_PLAYGROUND, ["doctor", *server, "--no-auth", "--timeout", "5"])
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "127.0.0.1 port 9: the connection was refused" in ended.stdout
    agent = [str(ROOT / "examples" / "echo.py"), "--bot-token", "ari_x", "--give-up-after", "0.01"]
    ended = without(OF_PLAYGROUND, ["run", *agent, *server])
    assert ended.returncode == 4
    assert "there was no connection within 0.01 s: giving up" in ended.stderr


@pytest.mark.parametrize("arguments", [["run", "my_agent.py"], ["doctor", "--no-auth"]])
def test_a_file_that_hides_a_module_is_named(command: Start, write: Write, arguments: list[str]) -> None:
    write("class WebSocket: pass", "websocket.py")
    ended = command(*arguments, ARINOVA_SERVER_URL="http://127.0.0.1:9", ARINOVA_BOT_TOKEN="ari_token")
    assert ended.exit_code() == 2
    [line] = ended.err.text.splitlines()
    assert "websocket.py hides the package websocket-client" in line
    assert "rename it" in line
