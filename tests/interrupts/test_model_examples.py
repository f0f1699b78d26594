"""The examples with models, each with its real client against a provider on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arinova_agent_sync.testing import run_task

from .clients import close, installed
from .stub import Stub, stub

FOLDER = Path(__file__).parents[2] / "examples" / "models"
ERROR_TEXT = "Something went wrong. Please try again."
MODULES = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "openai_tools": "openai",
    "anthropic_messages": "anthropic",
    "anthropic_tools": "anthropic",
    "ollama_chat": "ollama",
    "google_chat": "google.genai",
    "litellm_chat": "litellm",
    "langchain_chat": "langchain_openai",
}
EXAMPLES = [
    pytest.param(name, marks=pytest.mark.skipif(not installed(module), reason=f"needs {module}"))
    for name, module in MODULES.items()
]

Load = Callable[..., dict[str, Any]]


@pytest.fixture
def provider():
    with stub() as server:
        yield server


@pytest.fixture
def load(provider: Stub, monkeypatch: pytest.MonkeyPatch):
    """Run an example's module, with its client led to what the provider does under that path."""
    loaded: list[dict[str, Any]] = []

    def run(name: str, does: str, timeout: str = "8") -> dict[str, Any]:
        base = f"{provider.url}/{does}"
        for variable in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
            monkeypatch.setenv(variable, f"{base}/v1")
        for variable in ("ANTHROPIC_BASE_URL", "OLLAMA_HOST", "GOOGLE_GEMINI_BASE_URL"):
            monkeypatch.setenv(variable, base)
        for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.setenv(variable, "sk-key")
        monkeypatch.setenv("ARINOVA_SERVER_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("ARINOVA_BOT_TOKEN", "ari_token")
        path = FOLDER / f"{name}.py"
        source = path.read_text(encoding="utf-8")
        assert source.count("timeout") == 1
        source = source.replace("timeout=60", f"timeout={timeout}")
        source = source.replace("60_000", str(int(float(timeout) * 1000)))
        names: dict[str, Any] = {"__name__": name}
        exec(compile(source, str(path), "exec"), names)
        loaded.append(names)
        return names

    yield run
    for names in loaded:
        litellm = names.get("litellm")
        if litellm is not None:
            litellm.in_memory_llm_clients_cache.flush_cache()
            close(litellm.client_session)
        close(names.get("client") or names.get("model"))


def test_each_example_is_tested_and_short() -> None:
    lines = {path.stem: len(path.read_text("utf-8").splitlines()) for path in FOLDER.glob("*.py")}
    assert lines.keys() == MODULES.keys()
    assert max(lines.values()) < 40


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_streams(name: str, load: Load) -> None:
    transcript = run_task(load(name, "quick")["agent"], "hi", timeout=20)
    assert (transcript.status, transcript.text) == ("completed", "w0 w1 w2 "), transcript.exception
    assert len(transcript.chunks) == 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stop_ends_the_request(name: str, load: Load, provider: Stub) -> None:
    transcript = run_task(load(name, "drip")["agent"], "hi", cancel_after=2, timeout=20)
    assert transcript.status == "cancelled"
    assert transcript.text.startswith("w0 w1 ")
    provider.wait_for("end")
    assert provider.count("request") == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_provider_that_falls_silent_ends_as_an_error(name: str, load: Load) -> None:
    transcript = run_task(load(name, "stall", timeout="0.5")["agent"], "hi", timeout=20)
    assert transcript.text == f"w0 w1 w2 \n\n{ERROR_TEXT}"
    assert transcript.exception is not None


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_limit_tells_users_nothing_of_the_account(name: str, load: Load) -> None:
    transcript = run_task(load(name, "limited")["agent"], "hi", timeout=20)
    assert (transcript.status, transcript.text) == ("error", ERROR_TEXT)
    assert "429" in str(transcript.exception) or "Limit" in type(transcript.exception).__name__


@pytest.mark.parametrize("name", [each for each in EXAMPLES if "tools" in str(each.values[0])])
def test_a_tool_is_called(name: str, load: Load, provider: Stub) -> None:
    transcript = run_task(load(name, "tools")["agent"], "what time is it?", timeout=20)
    assert (transcript.status, transcript.text) == ("completed", "w0 w1 w2 "), transcript.exception
    assert provider.count("request") == 2
