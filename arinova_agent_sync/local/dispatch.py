"""Which task goes to its agent when, and what follows its end: waiting, duplicates, refusals, mentions.

Not thread-safe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from .decoration import decorated
from .listening import hears, mentioned_agents
from .news import News
from .payloads import shortened, task_frame
from .records import (
    AgentAccount,
    Changed,
    Conversation,
    Deliver,
    Frame,
    Message,
    Prompt,
    ReplyStatus,
    Task,
    User,
)
from .roster import Roster
from .rules import Rules

Ended = Literal["completed", "cancelled", "error", "deleted"]

_SKILL_KEYS = ("slug", "name", "slashCommand", "description")  # its prompt is for those who ask for it


class Dispatch:
    """Keep all tasks and lead each from its offer to its end.

    Args:
        rules: limits and switches.
        roster: the agents and their connections.
        news: what has to be told, and the time.
        new_id: makes UUIDs.
        skills: what is installed for every agent.

    Attributes:
        tasks: every task there ever was, by id.
        pending: those whose agent may still answer, oldest first.
        skills: what is installed for every agent.
        installed: further skills of one agent, by its id.
    """

    def __init__(
        self,
        rules: Rules,
        roster: Roster,
        news: News,
        new_id: Callable[[], str],
        skills: Sequence[Mapping[str, Any]],
    ) -> None:
        self.tasks: dict[str, Task] = {}
        self.pending: dict[str, Task] = {}
        self.skills = skills
        self.installed: dict[str, list[Frame]] = {}
        self._rules = rules
        self._roster = roster
        self._news = news
        self._new_id = new_id

    # The way to the agent

    def offer(
        self, conversation: Conversation, agent: AgentAccount, prompt: Prompt, look: bool = True
    ) -> Task:
        """Give a task to an agent; with ``look`` it waits for the one that the agent is at."""
        task = self._new_task(agent, conversation, prompt)
        active = conversation.active.get(agent.agent_id) if look else None
        if (
            active is not None
            and self._news.clock() - (active.dispatched_at or 0.0) < self._rules.stale_after
        ):
            self._queue(task).append(task)
            self._tell_queued(conversation, task)
        else:
            self.start(task)
        return task

    def ask(self, agent: AgentAccount, prompt: Prompt, task_id: str | None) -> Task:
        """Give an agent a task without a conversation."""
        task = self._new_task(agent, None, prompt, task_id)
        self.start(task, guarded=False)
        return task

    def start(self, task: Task, guarded: bool = True) -> None:
        """Give a task to its agent now; ``guarded`` says whether the same text twice counts as one."""
        agent, conversation, now = task.agent, task.conversation, self._news.clock()
        if conversation is not None and guarded and self._said_just_now(conversation, task, now):
            self.settle(task, "ignored")
            return
        connection = self._roster.connections.get(agent.agent_id)
        if connection is None:
            self._refuse(task)
            return
        skills, typed = self._skills_of(agent), task.prompt.message
        content = decorated(task, skills)
        if task.prompt.agent is None and typed is not None and content != typed.content:
            task.decorated = content
        # The history is read before the row of the answer exists, and the answer's id is the task's.
        frame = task_frame(
            task,
            content,
            history_limit=self._rules.history_limit,
            skills=[{key: skill.get(key) for key in _SKILL_KEYS} for skill in skills],
            august=self._rules.august,
        )
        if conversation is not None:
            if guarded:
                conversation.active[agent.agent_id] = task
            task.seq = conversation.write(task.id, agent, "", self._news.now(), status="streaming").seq
        task.status = "streaming"
        task.dispatched_at = now
        task.deadline = now + self._rules.idle_limit
        self.pending[task.id] = task
        self._news.tell_of(task, {"type": "stream_start"})
        self._news.want(Deliver(connection, frame))

    def withdraw(self, task: Task) -> None:
        """Take a task that waits out of the queue; its agent never hears of it."""
        self._queue(task).remove(task)
        self.settle(task, "cancelled")

    # The end

    def end(
        self,
        task: Task,
        status: Ended,
        content: str,
        reason: str | None,
        *,
        mentions: Sequence[str] = (),
        follow: bool = True,
    ) -> None:
        """End a task that its agent was given, and tell what members see of it then."""
        self.pending.pop(task.id, None)
        if task.conversation is not None and status != "deleted":
            task.conversation.save(task.id, status, content, self._news.now())
        elif task.conversation is not None and task.conversation.is_streaming(task.id):
            # What a later authentication made an error of is not removed.
            task.conversation.remove(task.id)
        task.text = "" if status == "deleted" else content
        self.settle(task, status)
        if reason is None:
            self._news.tell_of(task, {"type": "stream_error", "error": content})
        elif status == "cancelled":
            self._news.tell_of(task, {"type": "stream_end", "reason": reason})
        else:
            self._news.tell_of(task, {"type": "stream_end", "content": content, "reason": reason})
        if follow:
            self.follow(task, content, mentions)

    def follow(self, task: Task, text: str, mentions: Sequence[str]) -> None:
        """Let the other agents of a group hear of an answer, then start what waited for its end."""
        if task.conversation is not None and task.conversation.is_group:
            self._pass_on(task.conversation, task, text, mentions)
        self.start_next(task)

    def announce(
        self, conversation: Conversation, author: AgentAccount, human: User, row: Message, by_name: bool
    ) -> None:
        """Let the other agents of a group hear of a message that answers nothing: its whole text.

        They listen for a human, and with ``by_name`` the text's @names count as mentions.
        """
        if not conversation.is_group:
            return
        mentioned = mentioned_agents(conversation, row.content, ()) if by_name else set()
        heard = Prompt(row.content, human, row, None, author)
        for agent in conversation.agents:
            if agent.agent_id != author.agent_id and hears(agent, human, agent.agent_id in mentioned):
                self.offer(conversation, agent, heard)

    def _pass_on(self, conversation: Conversation, task: Task, text: str, mentions: Sequence[str]) -> None:
        author, human, row = task.agent, task.prompt.human, conversation.rows.get(task.id)
        answered = {"role": "agent", "content": shortened(text), "senderAgentName": author.name}
        # Without mentions the content is empty and the text stands in replyTo alone; of a dismissed answer
        # there is nothing to reply to.
        content = text if mentions and text.strip() else ""
        heard = Prompt(content, human, row, answered if row is not None else None, author)
        reached = {author.agent_id}
        for agent in conversation.agents:
            if agent.agent_id not in reached and hears(agent, human, agent.agent_id in mentions):
                reached.add(agent.agent_id)
                # Whoever is still busy gets it at once all the same.
                self.offer(conversation, agent, heard, look=False)
        for agent_id in mentions:
            # A mention reaches any agent: a muted one, one of another conversation, one that is busy.
            mentioned = self._roster.accounts.get(agent_id)
            if mentioned is not None and agent_id not in reached:
                reached.add(agent_id)
                self.offer(conversation, mentioned, heard, look=False)

    def start_next(self, task: Task) -> None:
        """Start what waited for the end of a task."""
        conversation, agent_id = task.conversation, task.agent.agent_id
        if conversation is None:
            return
        if conversation.active.get(agent_id) is task:
            del conversation.active[agent_id]
        # Exactly one is taken per end, also if it turns out to be a duplicate.
        if waiting := conversation.queues.get(agent_id):
            self.start(waiting.popleft())

    def settle(self, task: Task, status: ReplyStatus) -> None:
        """Note the end of a task."""
        task.status = status
        task.done_at = self._news.clock()
        self._news.want(Changed(task.id))

    def forget(self) -> None:
        """Drop every task that has ended."""
        for task_id in [task.id for task in self.tasks.values() if not task.open]:
            del self.tasks[task_id]

    # Inside

    def _new_task(
        self,
        agent: AgentAccount,
        conversation: Conversation | None,
        prompt: Prompt,
        task_id: str | None = None,
    ) -> Task:
        task = Task(task_id or self._new_id(), agent, conversation, prompt, self._news.clock())
        self.tasks[task.id] = task
        if conversation is not None:
            conversation.tasks.append(task)
        return task

    def _skills_of(self, agent: AgentAccount) -> list[Frame]:
        own = self.installed.get(agent.agent_id, [])
        slugs = {skill["slug"] for skill in own}
        # Of two with one slug, the agent's own is meant.
        return [*(dict(skill) for skill in self.skills if skill.get("slug") not in slugs), *own]

    def _said_just_now(self, conversation: Conversation, task: Task, now: float) -> bool:
        """Return whether the duplicate guard holds a task back; if not, it counts from now on."""
        window, key = self._rules.duplicate_window, (task.agent.agent_id, task.prompt.content)
        if not task.prompt.content:
            # Nothing else ends two agents that dismiss each other's answers for ever.
            window = max(window, Rules.duplicate_window)
        guarded = {each: until for each, until in conversation.guarded.items() if now < until}
        conversation.guarded = guarded
        if key in guarded:
            return True
        guarded[key] = now + window
        return False

    def _tell_queued(self, conversation: Conversation, task: Task) -> None:
        message, agent = task.prompt.message, task.agent
        queued = {"type": "stream_queued", "agentId": agent.agent_id, "agentName": agent.name}
        self._news.tell(conversation, {**queued, "messageId": message.id if message else None})
        self._news.want(Changed(task.id))

    def _refuse(self, task: Task) -> None:
        # Without a connection the server answers itself, and its text later shows up in histories. What members
        # are told is another text than the row's; the real one is worded differently.
        text = f"**{task.agent.name}** is not connected yet. Start the agent and try again."
        if task.conversation is not None:
            row = task.conversation.write(task.id, task.agent, text, self._news.now(), status="error")
            task.seq = row.seq
            self._news.tell_of(task, {"type": "stream_start"})
            self._news.tell_of(task, {"type": "stream_error", "error": "Agent is not connected"})
        task.error = task.text = text
        self.settle(task, "error")

    def _queue(self, task: Task) -> deque[Task]:
        if task.conversation is None:
            raise ValueError("a task without a conversation never waits")
        return task.conversation.queues.setdefault(task.agent.agent_id, deque())
