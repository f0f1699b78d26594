"""What the server does with messages and tasks: no socket, no thread, no lock. Not thread-safe.

Call a method, then ``take`` what it wants done. The rules are those of the March 2026 server unless a comment
names another one; time comes from the injected clock only.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from .listening import hears, mentioned_agents
from .payloads import quote, shortened, task_frame
from .records import (
    AgentAccount,
    Attachments,
    Change,
    Connection,
    Conversation,
    ConversationType,
    Deliver,
    Effect,
    Frame,
    ListenMode,
    Message,
    Prompt,
    ReplyStatus,
    Task,
    Told,
    Touched,
    User,
)
from .roster import Roster
from .rules import Rules

DISCONNECTED = "Agent disconnected"
RECONNECTED = "Agent reconnected"
RESTARTED = "Stream interrupted by server restart"
PROMPT_KEYS = ("promptContent", "promptTemplate", "parameters", "config")  # of a skill, not for tasks


def _uuid() -> str:
    return str(uuid.uuid4())


class Chat:
    """Hold the whole state of a server.

    Args:
        rules: its limits and switches.
        clock: monotonic seconds.
        new_id: makes UUIDs.
        skills: what is installed for every agent, as ``availableSkills`` of a task shows it.
        journal: takes what has to outlive this process, None if nothing has to.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = _uuid,
        skills: Sequence[Mapping[str, Any]] = (),
        journal: list[Change] | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.roster = Roster(new_id, journal)
        self.conversations: dict[str, Conversation] = {}
        self.tasks: dict[str, Task] = {}  # every task there ever was, by id
        self.pending: dict[str, Task] = {}  # those whose agent may still answer, oldest first
        self.owner = User(new_id(), "owner", owner=True)
        self.users = {self.owner.username: self.owner}
        self._clock = clock
        self._new_id = new_id
        self.skills = skills
        self.installed: dict[str, list[Frame]] = {}  # agent id: further skills, in the same form
        self._began = clock()
        self._epoch = datetime.now(timezone.utc).replace(tzinfo=None)
        self._effects: list[Effect] = []
        self._journal = journal
        self._tell_journal(self.owner)

    def take(self) -> list[Effect]:
        """Return what has to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def want(self, effect: Effect) -> None:
        """Add something that has to be done."""
        self._effects.append(effect)

    # People and places

    def user(self, username: str | None) -> User:
        """Return the user of a name, made at its first use; None stands for the owner."""
        if username is None:
            return self.owner
        found = self.users.get(username)
        if found is None:
            found = self.users[username] = User(self._new_id(), username)
            self._tell_journal(found)
        return found

    def add_agent(
        self, name: str, token: str | None, listen_mode: ListenMode, allowed_users: tuple[str, ...]
    ) -> AgentAccount:
        """Make an account, or take one of an earlier run up again; raise ValueError if the token is taken."""
        account = self.roster.add(name, token, listen_mode, allowed_users)
        for conversation in self.conversations.values():
            # One of an earlier run may listen differently now.
            conversation.agents = tuple(
                account if agent.agent_id == account.agent_id else agent for agent in conversation.agents
            )
        return account

    def open_conversation(self, type: ConversationType, agents: Sequence[AgentAccount]) -> Conversation:
        """Make a conversation of the owner and the agents."""
        conversation = Conversation(self._new_id(), type, tuple(agents), self._now(), self._journal)
        self.conversations[conversation.id] = conversation
        self._tell_journal(conversation)
        return conversation

    def remember(
        self,
        accounts: Iterable[AgentAccount],
        users: Iterable[User],
        conversations: Iterable[Conversation],
    ) -> None:
        """Take over what an earlier process left; for a new chat only.

        What was streaming then has become an error, as after a restart of the server.
        """
        for account in accounts:
            self.roster.enter(account)
        for user in users:
            if user.owner:
                # The owner who was made for a new chat gives way.
                del self.users[self.owner.username]
                if self._journal is not None:
                    self._journal.clear()
                self.owner = user
            self.users[user.username] = user
        for conversation in conversations:
            self.conversations[conversation.id] = conversation
            conversation.journal = self._journal
            for row in list(conversation.rows.values()):
                if row.status == "streaming":
                    conversation.save(row.id, "error", RESTARTED, self._now())

    # What users do

    def say(
        self,
        conversation: Conversation,
        content: str,
        *,
        sender: User | None = None,
        reply_to: Message | None = None,
        attachments: Attachments = (),
        mentions: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> list[Task]:
        """Save a user's message and give it to every agent that hears it.

        Returns one task per such agent, of which some may wait or be ignored already.
        """
        human = sender or self.owner
        message = conversation.write(
            self._new_id(),
            human,
            content,
            self._now(),
            reply_to_id=reply_to.id if reply_to else None,
            attachments=attachments,
        )
        if conversation.is_group:
            self._tell(conversation, {"type": "new_message", "messageId": message.id, "content": content})
        prompt = Prompt(content, human, message, quote(reply_to) if reply_to else None, None, extra or {})
        mentioned = mentioned_agents(conversation, content, mentions) if conversation.is_group else set()
        return [
            self._offer(conversation, agent, prompt)
            for agent in conversation.agents
            if not conversation.is_group or hears(agent, human, agent.agent_id in mentioned)
        ]

    def ask(
        self,
        agent: AgentAccount,
        frame: Mapping[str, Any],
        task_id: str | None = None,
    ) -> Task:
        """Give an agent a task with keys of one's own, such as a wakeup of August 2026."""
        task = self._new_task(agent, None, Prompt("", self.owner, extra=frame), task_id)
        self._dispatch(task, guarded=False)
        return task

    def cancel(self, task: Task) -> bool:
        """Do what a user's stop button does; return False if the task had ended already.

        The message is settled and the task forgotten before the agent hears of it. A task that still waits is
        taken out of the queue, of which the agent never hears.
        """
        if task.status == "pending":
            self._queue(task).remove(task)
            self._settle(task, "cancelled")
            return True
        if task.id not in self.pending:
            return False
        connection = self.roster.connections.get(task.agent.agent_id)
        self._end(task, "cancelled", task.streamed.text, "cancelled", follow=False)
        if connection is not None:
            self.want(Deliver(connection, {"type": "cancel_task", "taskId": task.id}))
        self._follow(task, task.streamed.text, ())
        return True

    # What agents do

    def chunk(self, task: Task, chunk: str) -> None:
        """Stream a part of an answer."""
        now = self._clock()
        task.deadline = now + self.rules.idle_limit
        piece = chunk if self.rules.pure_delta else task.streamed.new_part(chunk)
        if task.first_chunk_at is None:
            task.first_chunk_at = now
        if chunk and not piece:
            return  # the same whole answer once more: nothing is forwarded
        task.streamed.append(piece)
        self._tell_of(task, {"type": "stream_chunk", "chunk": piece})

    def heartbeat(self, task: Task) -> None:
        """Push a task's idle limit back."""
        task.deadline = self._clock() + self.rules.idle_limit

    def complete(self, task: Task, content: str, mentions: Sequence[str] = ()) -> None:
        """End a task: what was streamed counts, the content only if nothing was."""
        text = task.streamed.text or content
        task.mentions = tuple(mentions)
        if text.strip():
            self._end(task, "completed", text, "completed", mentions=mentions)
            return
        # A blank answer is no answer: its message disappears.
        if task.conversation is not None:
            task.conversation.remove(task.id)
        self._end(task, "deleted", "", "completed", follow=False)
        self._start_next(task)

    def fail(self, task: Task, error: str) -> None:
        """End a task with an error, which takes the place of all that was streamed."""
        task.error = error
        self._end(task, "error", error, None)

    def stop_by_agent(self, task: Task) -> None:
        """End a task that its agent calls cancelled; August 2026, inferred from what clients send."""
        self._end(task, "cancelled", task.streamed.text, "cancelled")

    def vanish(self, task: Task) -> None:
        """End a task whose entry was lost without an event: what was streamed stays.

        The March 2026 server does so when another agent names the task in its terminal frame.
        """
        text = task.streamed.text
        if text.strip():
            self._end(task, "completed", text, "agent_disconnect")
        else:
            self.fail(task, DISCONNECTED)

    def send(
        self, agent: AgentAccount, conversation: Conversation, content: str, reply_to: str | None
    ) -> Message:
        """Post an agent's message that answers no task."""
        message = conversation.write(self._new_id(), agent, content, self._now(), reply_to_id=reply_to)
        self._tell(
            conversation,
            {"type": "stream_end", "messageId": message.id, "content": content, "reason": "agent_send"},
        )
        self._pass_on(conversation, agent, self.owner, message, content, ())
        return message

    # What connections and the clock do

    def connect(self, connection: Connection, agent: AgentAccount, skills: object) -> None:
        """Let a connection speak for an agent and clean up what an earlier one left.

        Every message of the agent that still streams becomes an error, also while its task lives on: a later
        completion overwrites it. August 2026 keeps tasks over a reconnect (inferred) and cleans nothing.
        """
        self.roster.register(connection, agent, skills)
        if self.rules.august:
            return
        for conversation in self.conversations.values():
            for row in list(conversation.rows.values()):
                if row.sender_agent_id == agent.agent_id and row.status == "streaming":
                    conversation.save(row.id, "error", row.content or RECONNECTED, self._now())

    def disconnect(self, connection: Connection) -> None:
        """Forget a connection; if it was its agent's current one, every task of the agent fails."""
        agent = self.roster.leave(connection)
        if agent is None or self.rules.august:
            return
        for task in [task for task in self.pending.values() if task.agent is agent]:
            self.fail(task, DISCONNECTED)

    def restart(self) -> None:
        """Do what a restart of the server does: every open answer becomes an error."""
        for task in [task for task in self.tasks.values() if task.open]:
            self.pending.pop(task.id, None)
            if task.conversation is not None:
                task.conversation.active.clear()
                task.conversation.queues.clear()
                task.conversation.save(task.id, "error", RESTARTED, self._now())
            task.error = task.text = RESTARTED
            self._settle(task, "error")

    def forget(self) -> None:
        """Drop every task that has ended, and all messages and events that no open task needs."""
        self.tasks = {task.id: task for task in self.tasks.values() if task.open}
        for conversation in self.conversations.values():
            conversation.tasks = [task for task in conversation.tasks if task.open]
            for message_id in [id for id in conversation.rows if id not in self.tasks]:
                conversation.remove(message_id)
            conversation.events.clear()

    def expire(self) -> float | None:
        """End the tasks whose idle limit has passed, and return the clock's time of the next limit.

        The agent is not told.
        """
        now = self._clock()
        for task in [task for task in self.pending.values() if task.deadline <= now]:
            self.fail(task, f"Task timed out (idle for {self.rules.idle_limit:g}s)")
        return min((task.deadline for task in self.pending.values()), default=None)

    # Dispatch

    def _offer(
        self, conversation: Conversation, agent: AgentAccount, prompt: Prompt, look: bool = True
    ) -> Task:
        task = self._new_task(agent, conversation, prompt)
        active = conversation.active.get(agent.agent_id) if look else None
        if active is not None and self._clock() - (active.dispatched_at or 0.0) < self.rules.stale_after:
            self._queue(task).append(task)
            self._tell_of(task, {"type": "stream_queued", "agentName": agent.name})
        else:
            self._dispatch(task)
        return task

    def _new_task(
        self,
        agent: AgentAccount,
        conversation: Conversation | None,
        prompt: Prompt,
        task_id: str | None = None,
    ) -> Task:
        task = Task(task_id or self._new_id(), agent, conversation, prompt, self._clock())
        self.tasks[task.id] = task
        if conversation is not None:
            conversation.tasks.append(task)
        return task

    def _dispatch(self, task: Task, guarded: bool = True) -> None:
        agent, conversation, now = task.agent, task.conversation, self._clock()
        connection = self.roster.connections.get(agent.agent_id)
        if connection is None:
            self._refuse(task)
            return
        if conversation is not None and guarded:
            text, at = conversation.dispatched.get(agent.agent_id, ("", -float("inf")))
            if text == task.prompt.content and now - at < self.rules.duplicate_window:
                self._settle(task, "ignored")
                return
            conversation.dispatched[agent.agent_id] = (task.prompt.content, now)
            conversation.active[agent.agent_id] = task
        # The history is read before the row of the answer exists, and the answer's id is the task's.
        frame = task_frame(
            task,
            history_limit=self.rules.history_limit,
            skills=self._skills_of(agent),
            august=self.rules.august,
        )
        if conversation is not None:
            conversation.write(task.id, agent, "", self._now(), status="streaming")
        task.status = "streaming"
        task.dispatched_at = now
        task.deadline = now + self.rules.idle_limit
        self.pending[task.id] = task
        self._tell_of(task, {"type": "stream_start", "senderAgentName": agent.name})
        self.want(Deliver(connection, frame))

    def _skills_of(self, agent: AgentAccount) -> list[Frame]:
        own = self.installed.get(agent.agent_id, [])
        slugs = {skill["slug"] for skill in own}
        # Of two with one slug, the agent's own is meant; prompts are for those who ask for them.
        common = [skill for skill in self.skills if skill.get("slug") not in slugs]
        return [{key: skill[key] for key in skill if key not in PROMPT_KEYS} for skill in (*common, *own)]

    def _refuse(self, task: Task) -> None:
        # Without a connection the server answers itself, and its text later shows up in histories.
        text = f"**{task.agent.name}** is not connected yet. Start the agent and try again."
        if task.conversation is not None:
            task.conversation.write(task.id, task.agent, text, self._now(), status="error")
            self._tell_of(task, {"type": "new_message", "content": text})
        task.error = task.text = text
        self._settle(task, "error")

    def _queue(self, task: Task) -> deque[Task]:
        if task.conversation is None:
            raise ValueError("a task without a conversation never waits")
        return task.conversation.queues.setdefault(task.agent.agent_id, deque())

    # The end of a task

    def _end(
        self,
        task: Task,
        status: Literal["completed", "cancelled", "error", "deleted"],
        content: str,
        reason: str | None,
        *,
        mentions: Sequence[str] = (),
        follow: bool = True,
    ) -> None:
        self.pending.pop(task.id, None)
        if task.conversation is not None and status != "deleted":
            task.conversation.save(task.id, status, content, self._now())
        task.text = content
        self._settle(task, status)
        if reason is None:
            self._tell_of(task, {"type": "stream_error", "error": content})
        else:
            self._tell_of(task, {"type": "stream_end", "content": content, "reason": reason})
        if follow:
            self._follow(task, content, mentions)

    def _follow(self, task: Task, text: str, mentions: Sequence[str]) -> None:
        """Let the other agents of a group hear of an answer, then start what waited for its end."""
        if task.conversation is not None and (row := task.conversation.rows.get(task.id)) is not None:
            self._pass_on(task.conversation, task.agent, task.prompt.human, row, text, mentions)
        self._start_next(task)

    def _pass_on(
        self,
        conversation: Conversation,
        author: AgentAccount,
        human: User,
        row: Message,
        text: str,
        mentions: Sequence[str],
    ) -> None:
        if not conversation.is_group:
            return
        answered = {"role": "agent", "content": shortened(text), "senderAgentName": author.name}
        # Without mentions the content is empty and the text stands in replyTo alone.
        heard = Prompt(text if mentions else "", human, row, answered, author)
        reached = {author.agent_id}
        for agent in conversation.agents:
            if agent.agent_id not in reached and hears(agent, human, agent.agent_id in mentions):
                reached.add(agent.agent_id)
                self._offer(conversation, agent, heard)
        for agent_id in mentions:
            # A mention reaches any agent: a muted one, one of another conversation, one that is busy.
            mentioned = self.roster.accounts.get(agent_id)
            if mentioned is not None and agent_id not in reached:
                reached.add(agent_id)
                self._offer(conversation, mentioned, heard, look=False)

    def _start_next(self, task: Task) -> None:
        conversation, agent_id = task.conversation, task.agent.agent_id
        if conversation is None:
            return
        if conversation.active.get(agent_id) is task:
            del conversation.active[agent_id]
        # Exactly one is taken per end, also if it turns out to be a duplicate.
        if waiting := conversation.queues.get(agent_id):
            self._dispatch(waiting.popleft())

    def _settle(self, task: Task, status: ReplyStatus) -> None:
        task.status = status
        task.done_at = self._clock()
        self.want(Touched(task))

    # Time, events, the journal

    def _tell_journal(self, change: Change) -> None:
        if self._journal is not None:
            self._journal.append(change)

    def _now(self) -> datetime:
        return self._epoch + timedelta(seconds=self._clock() - self._began)

    def _tell_of(self, task: Task, event: Frame) -> None:
        if task.conversation is not None:
            event |= {"messageId": task.id, "agentId": task.agent.agent_id}
            self._tell(task.conversation, event)
        self.want(Touched(task))

    def _tell(self, conversation: Conversation, event: Frame) -> None:
        event["conversationId"] = conversation.id
        conversation.events.append(event)
        self.want(Told(conversation, event))
