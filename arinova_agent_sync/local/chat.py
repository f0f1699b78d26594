"""What the server does with messages and tasks: no socket, no thread, no lock. Not thread-safe.

Call a method, then ``take`` what it wants done. The rules are those of the March 2026 server unless a comment
names another one; time comes from the injected clock only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .decoration import sticker_prompt, with_attachments, without_scripts
from .dispatch import Dispatch, Ended
from .listening import hears, mentioned_agents
from .news import News
from .payloads import quote
from .records import (
    AgentAccount,
    Attachments,
    Change,
    Connection,
    Conversation,
    ConversationType,
    Deliver,
    Effect,
    Message,
    Prompt,
    Task,
    User,
    WriteDown,
    new_id,
    to_nobody,
)
from .roster import Roster
from .rules import Rules

DISCONNECTED = "Agent disconnected"
RECONNECTED = "Agent reconnected"
RESTARTED = "Stream interrupted by server restart"


class Chat:
    """Hold the whole state of a server.

    Args:
        rules: its limits and switches.
        clock: monotonic seconds.
        new_id: makes UUIDs.
        skills: what is installed for every agent, as ``availableSkills`` of a task shows it.
        write_down: takes what has to outlive this process.

    Attributes:
        tasks: every task there ever was, by id, oldest first.
        pending: those whose agent may still answer, by id, oldest first.
        skills: what is installed for every agent, prompts included.
        installed: further skills of one agent, by its id, as its tasks tell them.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = new_id,
        skills: Sequence[Mapping[str, Any]] = (),
        write_down: WriteDown = to_nobody,
    ) -> None:
        self.rules = rules or Rules()
        self.roster = Roster(new_id, write_down)
        self.conversations: dict[str, Conversation] = {}
        self.owner = User(new_id(), "owner", owner=True)
        self.users = {self.owner.username: self.owner}
        self._news = News(clock)
        self._write_down = write_down
        self._dispatch = Dispatch(self.rules, self.roster, self._news, new_id, skills)
        self.tasks, self.pending = self._dispatch.tasks, self._dispatch.pending
        self.skills, self.installed = self._dispatch.skills, self._dispatch.installed
        self._new_id = new_id
        self._write_down(Change("user", self.owner.user_id, self.owner))

    def take(self) -> list[Effect]:
        """Return what has to be done since the last call, in order."""
        return self._news.take()

    def want(self, effect: Effect) -> None:
        """Add something that has to be done."""
        self._news.want(effect)

    # People and places

    def user(self, username: str | None) -> User:
        """Return the user of a name, made at its first use; None stands for the owner."""
        if username is None:
            return self.owner
        found = self.users.get(username)
        if found is None:
            found = self.users[username] = User(self._new_id(), username)
            self._write_down(Change("user", found.user_id, found))
        return found

    def add_agent(self, wanted: AgentAccount) -> AgentAccount:
        """Make an account, or take one of an earlier run up again; raise ValueError if the token is taken."""
        account = self.roster.add(wanted)
        for conversation in self.conversations.values():
            # One of an earlier run may listen differently now.
            conversation.agents = tuple(
                account if agent.agent_id == account.agent_id else agent for agent in conversation.agents
            )
        return account

    def open_conversation(self, type: ConversationType, agents: Sequence[AgentAccount]) -> Conversation:
        """Make a conversation of the owner and the agents."""
        place, now = self._new_id(), self._news.now()
        conversation = Conversation(place, type, tuple(agents), now, self._write_down)
        self.conversations[conversation.id] = conversation
        kept = {"id": place, "type": type, "agents": [agent.agent_id for agent in agents], "created_at": now}
        self._write_down(Change("conversation", place, kept))
        return conversation

    def drop(self, conversation_id: str) -> None:
        """Drop a conversation whose messages are gone already."""
        if self.conversations.pop(conversation_id, None) is not None:
            self._write_down(Change("conversation", conversation_id, None))

    def remember(
        self, accounts: Iterable[AgentAccount], users: Iterable[User], conversations: Iterable[Conversation]
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
                self._write_down(Change("user", self.owner.user_id, None))
                self.owner = user
            self.users[user.username] = user
        for conversation in conversations:
            self.conversations[conversation.id] = conversation
            conversation.write_down = self._write_down
        self.recover()

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

        Returns one task per such agent, of which some may wait or be ignored already. An empty text without
        attachments is no message.
        """
        if not content and not attachments:
            return []
        content, human = without_scripts(content), sender or self.owner
        now, answered = self._news.now(), reply_to.id if reply_to else None
        message = conversation.write(
            self._new_id(), human, content, now, reply_to_id=answered, attachments=attachments
        )
        if conversation.is_group:
            event = {"type": "new_message", "messageId": message.id, "content": content}
            self._news.tell(conversation, event)
        is_sticker, asked = sticker_prompt(extra or {})
        if is_sticker and not asked:
            return []
        asked = asked or with_attachments(content, attachments)
        prompt = Prompt(asked, human, message, quote(reply_to) if reply_to else None, None, extra or {})
        mentioned = mentioned_agents(conversation, content, mentions) if conversation.is_group else set()
        return [
            self._dispatch.offer(conversation, agent, prompt)
            for agent in conversation.agents
            if not conversation.is_group or hears(agent, human, agent.agent_id in mentioned)
        ]

    def ask(self, agent: AgentAccount, frame: Mapping[str, Any], task_id: str | None = None) -> Task:
        """Give an agent a task with keys of one's own, such as a wakeup of August 2026."""
        return self._dispatch.ask(agent, Prompt("", self.owner, extra=frame), task_id)

    def cancel(self, task: Task) -> bool:
        """Do what a user's stop button does; return False if the task had ended already.

        The message is settled and the task forgotten before the agent hears of it. A task that still waits is
        taken out of the queue, of which the agent never hears.
        """
        if task.status == "pending":
            self._dispatch.withdraw(task)
            return True
        if task.id not in self.pending:
            return False
        connection = self.roster.connections.get(task.agent.agent_id)
        self._dispatch.end(task, "cancelled", task.streamed.text, "cancelled", follow=False)
        if connection is not None:
            self.want(Deliver(connection, {"type": "cancel_task", "taskId": task.id}))
        self._dispatch.follow(task, task.streamed.text, ())
        return True

    # What agents do

    def chunk(self, task: Task, chunk: str) -> None:
        """Stream a part of an answer."""
        now = self._news.clock()
        task.deadline = now + self.rules.idle_limit
        piece = chunk if self.rules.pure_delta else task.streamed.new_part(chunk)
        if task.first_chunk_at is None:
            task.first_chunk_at = now
        if chunk and not piece:
            return  # the same whole answer once more: nothing is forwarded
        task.streamed.append(piece)
        self._news.tell_of(task, {"type": "stream_chunk", "chunk": piece})

    def heartbeat(self, task: Task) -> None:
        """Push a task's idle limit back."""
        task.deadline = self._news.clock() + self.rules.idle_limit

    def complete(self, task: Task, content: str, mentions: Sequence[str] = ()) -> None:
        """End a task: what was streamed counts, the content only if nothing was."""
        text = task.streamed.text or content
        task.mentions = tuple(mentions)
        # A blank answer is no answer: its message disappears.
        status: Ended = "completed" if text.strip() else "deleted"
        self._dispatch.end(task, status, text, "completed", mentions=mentions)

    def fail(self, task: Task, error: str) -> None:
        """End a task with an error, which takes the place of all that was streamed."""
        task.error = error
        self._dispatch.end(task, "error", error, None)

    def stop_by_agent(self, task: Task) -> None:
        """End a task that its agent calls cancelled; August 2026, inferred from what clients send."""
        self._dispatch.end(task, "cancelled", task.streamed.text, "cancelled")

    def vanish(self, task: Task) -> None:
        """End a task whose entry was lost without an event: what was streamed stays.

        The March 2026 server does so when another agent names the task in its terminal frame.
        """
        text = task.streamed.text
        if text.strip():
            self._dispatch.end(task, "completed", text, "agent_disconnect")
        else:
            self.fail(task, DISCONNECTED)

    def send(
        self,
        agent: AgentAccount,
        conversation: Conversation,
        content: str,
        reply_to: str | None,
        by_name: bool = True,
    ) -> Message:
        """Post an agent's message that answers no task.

        With ``by_name`` its @names count as mentions, as they do in one that came over HTTP.
        """
        message = conversation.write(self._new_id(), agent, content, self._news.now(), reply_to_id=reply_to)
        event = {
            "messageId": message.id,
            "seq": message.seq,
            "senderAgentId": agent.agent_id,
            "senderAgentName": agent.name,
        }
        self._news.tell(conversation, {"type": "stream_start", **event})
        end = {"type": "stream_end", **event, "content": content, "reason": "agent_send"}
        self._news.tell(conversation, end)
        self._dispatch.announce(conversation, agent, self.owner, message, by_name)
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
                    conversation.save(row.id, "error", row.content or RECONNECTED, self._news.now())

    def disconnect(self, connection: Connection) -> None:
        """Forget a connection; if it was its agent's current one, every task of the agent fails."""
        agent = self.roster.leave(connection)
        if agent is None or self.rules.august:
            return
        for task in [task for task in self.pending.values() if task.agent is agent]:
            self.fail(task, DISCONNECTED)

    def halt(self) -> None:
        """Do what the end of the server's process does: nobody will answer what is open.

        Its rows stay as they are until ``recover``.
        """
        for task in [task for task in self.tasks.values() if task.open]:
            self.pending.pop(task.id, None)
            if task.conversation is not None:
                task.conversation.active.clear()
                task.conversation.queues.clear()
            task.error = task.text = RESTARTED
            self._dispatch.settle(task, "error")

    def recover(self) -> None:
        """Do what the server does at its start: every row that streamed at its end becomes an error."""
        for conversation in self.conversations.values():
            for row in list(conversation.rows.values()):
                if row.status == "streaming":
                    conversation.save(row.id, "error", RESTARTED, self._news.now())

    def forget(self) -> None:
        """Drop every task that has ended, and all messages and events that no open task needs."""
        self._dispatch.forget()
        for conversation in self.conversations.values():
            conversation.tasks = [task for task in conversation.tasks if task.open]
            for message_id in [id for id in conversation.rows if id not in self.tasks]:
                conversation.remove(message_id)
            conversation.events.clear()

    def expire(self) -> float | None:
        """End the tasks whose idle limit has passed, and return the clock's time of the next limit.

        The agent is not told.
        """
        now = self._news.clock()
        for task in [task for task in self.pending.values() if task.deadline <= now]:
            self.fail(task, f"Task timed out (idle for {self.rules.idle_limit:g}s)")
        return min((task.deadline for task in self.pending.values()), default=None)
