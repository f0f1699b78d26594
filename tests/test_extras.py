"""The commands that install what an optional part needs."""

from __future__ import annotations

from pathlib import Path

from arinova_agent_sync.extras import install_command


def test_a_checkout_is_installed_from_where_it_is() -> None:
    checkout = Path(__file__).parents[1]
    assert install_command("playground") == f'pip install -e "{checkout}[playground]"'
    assert "\nplayground = [\n" in (checkout / "pyproject.toml").read_text()


def test_what_is_needed_is_named_where_there_is_no_checkout(tmp_path: Path) -> None:
    command = install_command("playground", tmp_path)
    assert command.startswith("pip install ")
    assert install_command("cli", tmp_path).count('"') == 2 * 5
    assert '"starlette>=' in command
    assert '"click>=' in command  # of an extra in the extra
    assert "hypothesis" not in command
    assert "arinova" not in command
