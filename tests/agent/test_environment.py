"""A proxy variable that changes while an agent runs: each reconnect looks at it anew."""

from __future__ import annotations

import pytest

from tests.runtime.fault_server import connect_proxy, serving


@pytest.mark.slow
def test_a_proxy_that_becomes_unusable_is_told_and_the_one_before_stays_in_use(
    server, make_agent, monkeypatch, caplog
):
    with serving(connect_proxy()) as proxy:
        for name in ("HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        # A name that only the proxy can make something of.
        agent = make_agent(server, server_url=f"http://chat.invalid:{server.port}")
        agent.on_task(lambda task: "fine")
        agent.connect(5)
        monkeypatch.setenv("http_proxy", "https://user:secret@127.0.0.1:1")
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        assert server.conversation().say("hi").wait(5) == "completed"
        agent.disconnect()
    [told] = [
        record.getMessage() for record in caplog.records if "what was set before stays in use" in record.msg
    ]
    assert "http_proxy" in told
    assert "secret" not in told
