"""Handlers in a real prefork worker, with a real Redis between: stopped, killed, frozen, cut off."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kombu
import pytest
from redis import Redis as RedisClient

from arinova_agent_sync import CeleryExecutor, _internals
from arinova_agent_sync.executors.celery import celery_session
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.testing import run_task

from . import celery_app
from .conftest import actions_server, play_all
from .processes import handlers
from .processes.test_process_executor import is_alive, wait_until
from .shapes import SHAPES

REQUIRED = "ARINOVA_TEST_REDIS"  # set where a machine without redis-server is a failure
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("redis-server") is None and not os.environ.get(REQUIRED),
        reason="there is no redis-server",
    ),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Redis:
    """A redis-server on loopback that keeps nothing.

    Args:
        rules: a file of users and what they may do; "shop" with "password" is used then.
    """

    def __init__(self, rules: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"redis://{'shop:password@' if rules else ''}127.0.0.1:{self.port}/0"
        self.rules = rules
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        if self.rules is not None:
            options += ["--aclfile", str(self.rules)]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Worker:
    """Celery's command, running the tests' app in a session of its own, which ``stop`` ends whole."""

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        app: str = "tests.executors.celery_app:celery",
        processes: int = 2,
    ) -> None:
        command = ["-m", "celery", "-A", app, "worker", "-P", "prefork", "-c", str(processes)]
        options = ["--without-gossip", "--without-mingle", "-l", "info"]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command, *options],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: " ready." in log.read_text(), timeout=30)

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
        self.process.wait(10)


class Setting:
    """A server, Redis, a worker, and the gateway's agent."""

    def __init__(self, server, redis, worker, agent) -> None:
        self.server = server
        self.redis = redis
        self.worker = worker
        self.agent = agent

    def say(self, text: str, begun: bool = True):
        reply = self.server.conversation().say(text)
        if begun:
            reply.wait_for_text(" ")
        return reply

    @property
    def numbers(self):
        return self.agent.stats().executors[0]

    def wait_idle(self) -> None:
        wait_until(lambda: self.numbers.running == 0)


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[Redis]:
    """A Redis whose only user may do what the document says, and nothing else."""
    (rule,) = re.findall(r"^user shop .*$", (ROOT / "docs" / "scaling.md").read_text(), re.MULTILINE)
    rules = tmp_path_factory.mktemp("redis") / "users.acl"
    rules.write_text(f"user default off\n{rule}\n")
    redis = Redis(rules)
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with actions_server() as server:
        yield server


@pytest.fixture(scope="module")
def environment(server, redis) -> dict[str, str]:
    return {
        "ARINOVA_TEST_REDIS_URL": redis.url,
        "ARINOVA_SERVER_URL": server.url,
        "ARINOVA_BOT_TOKEN": server.bot_token,
    }


@pytest.fixture(scope="module")
def worker(environment, tmp_path_factory) -> Iterator[Worker]:
    worker = Worker(environment, tmp_path_factory.mktemp("celery") / "log")
    yield worker
    worker.stop()


@contextmanager
def connected(server, redis):
    celery_app.celery.conf.broker_url = redis.url
    agent = celery_app.agent
    # Of a file that the worker has not loaded anew.
    agent.on_command("new_here", handlers.who)
    renamed = CeleryExecutor(celery_app.celery, name="renamed", start_timeout=0.5)
    agent.on_command("renamed", handlers.who, executor=renamed)
    restore = _internals.redirect(agent, server_url=server.url, bot_token=server.bot_token)
    agent.connect(15)
    try:
        yield agent
    finally:
        agent.disconnect(2)
        restore()
        forget_connections()


def forget_connections() -> None:
    """Close the app's, which outlive an agent as in any program that sends tasks."""
    celery_app.celery._after_fork()
    kombu.pools.reset()


@pytest.fixture
def setting(server, redis, worker) -> Iterator[Setting]:
    with connected(server, redis) as agent:
        yield Setting(server, redis, worker, agent)


def test_the_same_comes_of_every_shape(setting):
    assert play_all(setting.server, setting.agent) == {name: shape.came for name, shape in SHAPES.items()}
    setting.wait_idle()
    assert (setting.numbers.killed, setting.numbers.lost) == (0, 0)


@pytest.mark.parametrize("name", ["sleeps", "receives", "loops"])
def test_a_blocked_handler_is_interrupted(setting, tmp_path, name):
    mark = tmp_path / "mark"
    reply = setting.say(f"/{name} {mark}")
    began = time.monotonic()
    assert reply.cancel()
    assert float(wait_until(lambda: mark.exists() and mark.read_text())) - began < 1.0
    setting.wait_idle()
    assert setting.numbers.killed == 0


def test_one_that_does_not_end_is_killed_and_no_other(setting, tmp_path):
    go = tmp_path / "go"
    neighbour = setting.say(f"/waits_for_file {go}")
    stuck = setting.say("/computes_in_c")
    pid = int(stuck.wait_for_text(" "))
    assert stuck.cancel()
    wait_until(lambda: not is_alive(pid))
    go.touch()
    assert neighbour.wait(5) == "completed"
    setting.wait_idle()
    assert (setting.numbers.killed, setting.numbers.lost) == (1, 0)


def dies_and_is_answered_at_once(setting):
    reply = setting.say("/dies with words")
    began = time.monotonic()
    assert reply.wait(15) == "completed"
    assert time.monotonic() - began < 1.0  # the lease is 1.5 s, and Celery looks every 5
    return reply


def test_a_killed_process_is_an_answer_at_once(setting):
    for _ in range(3):
        reply = dies_and_is_answered_at_once(setting)
    assert reply.text.startswith("with words\n\nWorkerLost: The worker that was answering ")
    assert setting.say("/who", begun=False).wait(15) == "completed"


def test_a_worker_of_an_older_file_says_so(setting):
    reply = setting.say("/new_here", begun=False)
    assert reply.wait(10) == "error"
    assert reply.text == "this worker is of another version than the agent: it knows no handler of new_here"


def test_a_worker_of_other_messages_says_so_and_runs_nothing(setting, monkeypatch):
    monkeypatch.setattr(celery_session, "VERSION", celery_session.VERSION + 1)
    for text in ("/who", "for on_task"):
        reply = setting.say(text, begun=False)
        assert reply.wait(10) == "error"
        assert reply.text == (
            "this worker is of another version than the agent: it knows version 2 of the messages, not 3"
        )


@pytest.mark.parametrize("name", ["abandoned", "renamed"])
def test_a_task_that_no_worker_takes_is_answered(setting, name):
    reply = setting.say(f"/{name}", begun=False)
    assert reply.wait(10) == "error"
    assert "No worker took the task within 0.5 seconds: is one running that knows the executor" in reply.text


def test_a_limit_of_celery_ends_a_handler_with_an_answer(setting, tmp_path):
    reply = setting.say(f"/limited {tmp_path / 'mark'}")
    assert reply.wait(10) == "completed"
    assert "WorkerLost: The worker that was answering ended unexpectedly (TimeLimitExceeded" in reply.text


def test_what_the_broker_hands_out_twice_runs_once(setting, monkeypatch, tmp_path):
    signature, go = celery_app.executor._task.signature, tmp_path / "go"
    send = signature.apply_async

    def send_twice(*args, **options):
        send(*args, **options)
        send(*args, **options)

    monkeypatch.setattr(signature, "apply_async", send_twice)
    reply = setting.say(f"/waits_for_file {go}")
    assert setting.say("/who", begun=False).wait(10) == "completed"
    go.touch()
    assert reply.wait(10) == "completed"
    assert reply.text.endswith(" seen")
    assert reply.text.count(" ") == 1


def test_run_task_has_a_worker_run_it(redis, worker):
    celery_app.celery.conf.broker_url = redis.url
    try:
        transcript = run_task(celery_app.agent, "/action", actions={"note.create": lambda call: {"id": 7}})
        assert (transcript.status, transcript.text) == ("completed", "note 7 of success")
        transcript = run_task(celery_app.agent, "/who")
        assert transcript.status == "completed"
        assert transcript.text != str(os.getpid())
    finally:
        forget_connections()


def test_a_flood_waits_for_the_gateway(setting):
    reply = setting.say("/floods", begun=False)
    assert reply.wait(30) == "completed"
    assert len(reply.text) == 2_000_000


def test_a_frozen_worker_is_given_up_and_says_nothing_more(setting, tmp_path):
    go = tmp_path / "go"
    reply = setting.say(f"/waits_for_file {go}")
    setting.worker.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        assert reply.wait(10) == "completed"
        assert 1.0 < time.monotonic() - began < 5.0  # the lease is 1.5 s
        text = reply.text
        assert text.endswith("WorkerLost: The worker that was answering cannot be reached any more.")
        go.touch()
    finally:
        setting.worker.signal(signal.SIGCONT)
    assert setting.say("/who", begun=False).wait(15) == "completed"
    assert reply.text == text


def test_redis_begins_anew(setting, tmp_path):
    go = tmp_path / "go"
    running = setting.say(f"/waits_for_file {go}")
    setting.redis.stop()
    setting.redis.start()
    go.touch()
    assert running.wait(20) in ("completed", "error")
    wait_until(lambda: setting.say("/who", begun=False).wait(20) == "completed", timeout=30)
    dies_and_is_answered_at_once(setting)  # the worker's event loop has begun anew, too
    setting.wait_idle()


def test_a_handler_that_the_worker_gives_up_ends_with_an_error(setting, tmp_path):
    reply = setting.say(f"/sleeps {tmp_path / 'mark'}")
    with RedisClient.from_url(setting.redis.url) as client:
        while not reply.done:  # as if no sign of life got through
            client.delete(*client.scan_iter("arinova:tests:*:alive"), "arinova:none")
            time.sleep(0.05)
    assert reply.text.endswith(
        "WorkerLost: The worker that was answering gave up, since it could not reach the agent for a while."
    )


def gateway_in_a_process(environment):
    return subprocess.Popen(
        [sys.executable, "-c", "from tests.executors.celery_app import agent; agent.run()"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )


def test_a_gateway_that_is_killed_takes_its_handlers_along(server, redis, worker, environment, tmp_path):
    program = gateway_in_a_process(environment)
    mark = tmp_path / "mark"
    reply = server.conversation().say(f"/sleeps {mark}", wait_for_agent=20)
    reply.wait_for_text(" ")
    program.kill()
    program.wait(10)
    wait_until(mark.exists, timeout=25)  # its sign of life lasts 15 s


def test_the_next_gateway_sends_what_was_finished_without_one(server, redis, worker, environment, tmp_path):
    program = gateway_in_a_process(environment)
    conversation, go = server.conversation(), tmp_path / "go"
    reply = conversation.say(f"/finishes_alone {go}", wait_for_agent=20)
    text = reply.wait_for_text(" ")
    program.kill()
    program.wait(10)
    with RedisClient.from_url(redis.url) as client:  # as if the 15 s of its sign of life were over
        assert client.delete(*client.scan_iter("arinova:finishing:*:alive")) == 1
    go.touch()
    with connected(server, redis) as agent:
        whole = f"{text}action_call note.create: the agent that would run it is gone"
        conversation.wait_for_message(15, content=whole)
        assert agent.stats().undelivered == 0
        again = conversation.say(f"/finishes_alone {go}")
        assert again.wait(10) == "completed"
        assert [message.content for message in conversation.messages].count(whole) == 1
    with RedisClient.from_url(redis.url) as client:
        assert client.hlen("arinova:finishing:answers") == 0
