"""Programs whose threads and sockets eventlet or gevent replaced with their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..runtime.fault_server import Behaviour, Peer, authority, frame, serving

PATCHES = {
    "eventlet": "import eventlet; eventlet.monkey_patch()",
    "gevent": "from gevent import monkey; monkey.patch_all()",
}
PROGRAM = """
    import warnings; warnings.simplefilter("ignore")  # eventlet warns of itself
    {early}
    import sys, time
    from arinova_agent_sync import ArinovaAgent
    import arinova_agent_sync.runtime.engine
    {late}

    agent = ArinovaAgent(server_url=sys.argv[1], bot_token="ari_some_token", reconnect_interval=0.01)

    @agent.on_task
    def handle(task):
        for word in ("a ", "b ", "c"):
            time.sleep(0.01)
            yield word

    agent.connect(10)
    while agent.stats().tasks_completed < 2:
        time.sleep(0.01)
    agent.disconnect(5)
    print("ended", agent.stats().connections)
"""


def asking(answers: list[bytes], *, leave: bool) -> Behaviour:
    """Ask one question; keep the terminal frame; then leave, or stay until the agent does."""

    def play(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"Agent"}'))
        peer.send(frame(b'{"type":"task","taskId":"t%d","content":"hi"}' % len(answers)))
        while b"agent_complete" not in (payload := peer.read_frame()[1]):
            pass
        answers.append(payload)
        if not leave:
            peer.until_gone()

    return play


@pytest.mark.slow
@pytest.mark.parametrize(("tls", "when"), [(False, "early"), (True, "early"), (False, "late")])
@pytest.mark.parametrize("library", PATCHES)
def test_an_agent_answers_reconnects_and_ends(tmp_path: Path, library: str, tls: bool, when: str) -> None:
    """A program that loads before it patches, as gunicorn's --preload does, works as well."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    answers: list[bytes] = []
    trusted = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(str(trusted))
    patches = {"early": "", "late": "", when: PATCHES[library]}
    program = textwrap.dedent(PROGRAM).format(**patches)
    with serving(asking(answers, leave=True), asking(answers, leave=False), tls=tls) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, server.url],
            env={"SSL_CERT_FILE": str(trusted), "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.stdout == "ended 2\n", done.stderr
    assert [b'"content":"a b c"' in answer for answer in answers] == [True, True]
