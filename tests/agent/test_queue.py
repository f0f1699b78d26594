"""Which task runs when."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync.local import LocalServer


@pytest.fixture
def eager():
    """A server that starts the next task of a conversation before the last has ended."""
    with LocalServer(stale_after=1e-6, duplicate_window=0) as server:
        yield server


class Handlers:
    """Handlers that wait to be let go, and how many ran at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.order: list[str] = []
        self.most = self.now = 0
        self._lock = threading.Lock()
        self.started = threading.Semaphore(0)

    def __call__(self, task) -> str:
        with self._lock:
            self.order.append(task.content)
            self.now += 1
            self.most = max(self.most, self.now)
        self.started.release()
        assert self.go_on.wait(10)
        with self._lock:
            self.now -= 1
        return f"did {task.content}"


def test_a_conversation_runs_one_task_at_a_time_in_order(eager, make_agent):
    agent, handlers = make_agent(eager), Handlers()
    agent.on_task(handlers)
    agent.connect(5)
    conversation = eager.conversation()
    replies = [conversation.say(str(number)) for number in range(5)]
    queued = eager.wait_for_frame("task_queued", 5, taskId=replies[4].message_id)
    assert (queued["queuePosition"], queued["globalQueueSize"]) == (3, 4)
    assert queued["conversationId"] == conversation.id
    handlers.go_on.set()
    assert [reply.wait(5) for reply in replies] == ["completed"] * 5
    assert handlers.order == list("01234")
    assert handlers.most == 1


def test_conversations_run_beside_each_other_up_to_max_workers(server, make_agent):
    agent, handlers = make_agent(server, max_workers=3), Handlers()
    agent.on_task(handlers)
    agent.connect(5)
    replies = [server.conversation().say(str(number)) for number in range(8)]
    for _ in range(3):
        assert handlers.started.acquire(timeout=5)
    server.wait_for_frame("task_queued", 5, taskId=replies[7].message_id)
    handlers.go_on.set()
    assert [reply.wait(5) for reply in replies] == ["completed"] * 8
    assert handlers.most == 3


def test_unbounded_runs_a_conversations_tasks_beside_each_other(eager, make_agent):
    agent, handlers = make_agent(eager, concurrency_mode="unbounded"), Handlers()
    agent.on_task(handlers)
    agent.connect(5)
    conversation = eager.conversation()
    replies = [conversation.say(str(number)) for number in range(4)]
    for _ in range(4):
        assert handlers.started.acquire(timeout=5)
    handlers.go_on.set()
    assert [reply.wait(5) for reply in replies] == ["completed"] * 4


def test_agent_wide_is_fair_to_the_other_conversation(eager, make_agent):
    agent = make_agent(eager, concurrency_mode="agent-wide", max_consecutive_per_conversation=2)
    handlers = Handlers()
    agent.on_task(handlers)
    agent.connect(5)
    busy, other = eager.conversation(), eager.conversation()
    replies = [busy.say(f"busy {number}") for number in range(4)]
    eager.wait_for_frame("task_queued", 5, taskId=replies[-1].message_id)
    replies.append(other.say("other"))
    eager.wait_for_frame("task_queued", 5, taskId=replies[-1].message_id)
    handlers.go_on.set()
    assert [reply.wait(5) for reply in replies] == ["completed"] * 5
    assert handlers.order == ["busy 0", "busy 1", "other", "busy 2", "busy 3"]


@pytest.mark.parametrize("most", [0, 2])
def test_too_many_waiting_tasks_are_refused_and_not_remembered(server, make_agent, most):
    agent, handlers = make_agent(server, max_workers=1, max_queued_tasks=most), Handlers()
    agent.on_task(handlers)
    agent.connect(5)
    replies = [server.conversation().say(str(number)) for number in range(most + 2)]
    refused = replies[-1]
    assert (refused.wait(5), refused.text) == ("error", "queue_overflow")
    handlers.go_on.set()
    assert [reply.wait(5) for reply in replies[:-1]] == ["completed"] * (most + 1)
    server.send_frame(
        {"type": "task", "taskId": refused.message_id, "conversationId": "c", "content": "again"}
    )
    server.wait_for_frame("agent_complete", 5, taskId=refused.message_id)
    assert agent.stats().tasks_refused == 1


def test_a_terminal_leaves_before_the_next_task_begins(eager, make_agent):
    agent = make_agent(eager)

    @agent.on_task
    def handle(task):
        yield task.content
        yield " done"

    agent.connect(5)
    conversation = eager.conversation()
    replies = [conversation.say(str(number)) for number in range(200)]
    for reply in replies:
        reply.wait(10)
    open_task = None
    for frame in eager.frames:
        if frame.type == "agent_chunk":
            assert open_task in (None, frame["taskId"])
            open_task = frame["taskId"]
        elif frame.type == "agent_complete":
            assert open_task == frame["taskId"]
            open_task = None


def test_sixty_four_blocking_handlers_run_at_once(server, make_agent):
    agent, together = make_agent(server, max_workers=64), threading.Barrier(64)

    @agent.on_task
    def handle(task):
        together.wait(10)
        return "together"

    agent.connect(5)
    replies = [server.conversation().say("go") for _ in range(64)]
    assert {reply.wait(10) for reply in replies} == {"completed"}


@pytest.mark.slow
def test_two_thousand_tasks_in_one_burst(server, make_agent):
    agent = make_agent(server, max_queued_tasks=3_000)
    agent.on_task(lambda task: f"did {task.content}")
    agent.connect(5)
    replies = [server.conversation().say(str(number)) for number in range(2_000)]
    for number, reply in enumerate(replies):
        assert (reply.wait(30), reply.text) == ("completed", f"did {number}")
    # A worker that is just done may not be reused yet; on a busy machine that can be many.
    assert agent.stats().threads <= 2 + 3 * 32


def test_a_handler_that_was_set_while_a_task_waited_answers_it(server, make_agent):
    agent = make_agent(server, max_workers=1)
    started, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def before(task):
        started.set()
        assert go_on.wait(5)
        return "before"

    agent.connect(5)
    first, second = server.conversation().say("one"), server.conversation().say("two")
    assert started.wait(5)
    server.wait_for_frame("task_queued", 5, taskId=second.message_id)
    agent.on_task(lambda task: "since then")
    go_on.set()
    assert (first.wait(5), first.text) == ("completed", "before")
    assert (second.wait(5), second.text) == ("completed", "since then")


def test_a_command_of_an_agent_that_was_given_another_name_is_refused(server, make_agent, package_log):
    agent = make_agent(server, max_workers=1)
    started, go_on = threading.Event(), threading.Event()

    @agent.on_command("draw")
    def draw(task):
        started.set()
        assert go_on.wait(5)
        return "drawn"

    agent.connect(5)
    name = agent.agent_name
    first, second = server.conversation().say("/draw"), server.conversation().say(f"/draw@{name}")
    assert started.wait(5)
    server.wait_for_frame("task_queued", 5, taskId=second.message_id)
    state = agent._lives.engine.state
    with state.lock:
        state.agent_name = "Another"
    go_on.set()
    assert first.wait(5) == "completed"
    assert (second.wait(5), second.text) == ("error", "no_task_handler")
    package_log.wait_for("no_task_handler", 5)
