"""Who hears a message in a group or a community: the March 2026 server's listen modes. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .records import AgentAccount, Conversation, ListenMode, User

MENTION_ALL = ("__all__", "__all_agents__")  # ids that stand for every agent of the conversation

_NAME = re.compile(r"@(\w+)")


def hears(agent: AgentAccount, sender: User, mentioned: bool) -> bool:
    """Return whether an agent's listen mode lets a human's message through."""
    owner, listed = sender.owner, sender.username in agent.allowed_users
    lets_through: dict[ListenMode, bool] = {
        "all": True,
        "all_mentions": mentioned,
        "owner_unmention_others_mention": owner or mentioned,
        "owner_and_allowlist": owner or listed,
        "allowed_users": owner or listed,
        "allowlist_mentions": mentioned and (owner or listed),
        "owner_only": owner,
        "muted": False,
    }
    return lets_through[agent.listen_mode]


def mentioned_agents(conversation: Conversation, text: str, mentions: Sequence[str]) -> set[str]:
    """Return the ids of the agents that a user's message mentions, by id or as @name.

    A name is one word and has to match as a whole; upper and lower case are the same.
    """
    if any(mention in MENTION_ALL for mention in mentions):
        return {agent.agent_id for agent in conversation.agents}
    names = {name.casefold() for name in _NAME.findall(text)}
    named = {agent.agent_id for agent in conversation.agents if agent.name.casefold() in names}
    return named.union(mentions)
