"""Build sdist and wheel, check them, and run README's first example from the wheel: ``python -m tests.package``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from arinova_agent_sync.local import LocalServer

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0  # seconds


def build(folder: Path) -> Path:
    """Make both distributions in a folder, the wheel from the sdist; return the wheel."""
    _run(sys.executable, "-m", "build", "--quiet", "--outdir", str(folder), str(ROOT))
    _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, folder.iterdir()))
    (wheel,) = folder.glob("*.whl")
    _run(sys.executable, "-m", "check_wheel_contents", "--toplevel", "arinova_agent_sync", str(wheel))
    return wheel


def use(wheel: Path, folder: Path) -> None:
    """Install a wheel into an empty environment; let its agent answer, and end it by Ctrl-C."""
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert example is not None
    program = folder / "agent.py"
    program.write_text(example[1], encoding="utf-8")
    with LocalServer() as server:
        settings = {"ARINOVA_SERVER_URL": server.url, "ARINOVA_BOT_TOKEN": server.bot_token}
        process = subprocess.Popen([python, str(program)], env={**os.environ, **settings}, cwd=folder)
        try:
            server.wait_for_agent(timeout=PATIENCE)
            reply = server.conversation().say("good morning")
            assert (reply.wait(), reply.text) == ("completed", "You said: good morning ")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder / "dist")
        use(wheel, folder)
        print(f"{wheel.name}: built, checked, installed, and its first example answers")


if __name__ == "__main__":
    main()
