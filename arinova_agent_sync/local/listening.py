"""Who hears a message in a group or a community: the March 2026 server's listen modes. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .records import AgentAccount, Conversation, User

MENTION_ALL = ("__all__", "__all_agents__")  # ids that stand for every agent of the conversation

_NAME = re.compile(r"@(\w+)")


def hears(agent: AgentAccount, sender: User, mentioned: bool) -> bool:
    """Return whether an agent's listen mode lets a human's message through."""
    listed = sender.username in agent.allowed_users
    if agent.listen_mode == "all":
        return True
    if agent.listen_mode == "all_mentions":
        return mentioned
    if agent.listen_mode == "owner_unmention_others_mention":
        return sender.owner or mentioned
    if agent.listen_mode in ("owner_and_allowlist", "allowed_users"):
        return sender.owner or listed
    if agent.listen_mode == "allowlist_mentions":
        return mentioned and (sender.owner or listed)
    return agent.listen_mode == "owner_only" and sender.owner


def mentioned_agents(conversation: Conversation, text: str, mentions: Sequence[str]) -> set[str]:
    """Return the ids of the agents that a user's message mentions, by id or as @name.

    A name is one word and has to match as a whole; upper and lower case are the same.
    """
    if any(mention in MENTION_ALL for mention in mentions):
        return {agent.agent_id for agent in conversation.agents}
    names = {name.casefold() for name in _NAME.findall(text)}
    named = {agent.agent_id for agent in conversation.agents if agent.name.casefold() in names}
    return named.union(mentions)
