"""Who the agents are and which connection speaks for each. Pure state; not thread-safe."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from .records import AgentAccount, Change, Connection, Frame, WriteDown, to_nobody

INVALID_TOKEN = "Invalid bot token"  # the March 2026 server says this of a failing database, too
AUTH_TIMEOUT = "Authentication timeout"

_SKILL_FIELDS = ("id", "name", "description")


class Roster:
    """Keep the accounts, their tokens, and one connection per agent.

    Args:
        new_id: makes UUIDs.
        write_down: takes the accounts that are made.
    """

    def __init__(self, new_id: Callable[[], str], write_down: WriteDown = to_nobody) -> None:
        self._new_id = new_id
        self._write_down = write_down
        self._earlier: dict[str, AgentAccount] = {}  # by agent id: those of an earlier run, until asked for
        self.accounts: dict[str, AgentAccount] = {}  # by agent id
        self.added: list[str] = []  # the agent ids that were asked for, in that order
        self.connections: dict[str, Connection] = {}  # agent id: the one that gets its tasks
        self.skills: dict[str, list[Frame]] = {}  # agent id: what it announced; gone when it disconnects
        self.authentications: dict[str, int] = {}  # agent id: how often it was let in
        self._by_token: dict[str, AgentAccount] = {}
        self._claims: dict[
            str, tuple[AgentAccount, bool]
        ] = {}  # by bootstrap token: whose, and with onboarding
        self._seeds: set[str] = set()  # ids of the agents whose next auth_ok carries an onboarding seed

    def add(self, wanted: AgentAccount) -> AgentAccount:
        """Make an account; its id is made here, and so is a token of the right form unless one is given.

        An account of an earlier run that has the name, and the token if one is given, is taken up again instead.
        """
        for found in self._earlier.values():
            if found.name == wanted.name and wanted.token in ("", found.token):
                del self._earlier[found.agent_id]
                self.added.append(found.agent_id)
                changed = replace(wanted, agent_id=found.agent_id, token=found.token)
                return found if changed == found else self._put(changed)
        token = wanted.token or f"ari_{secrets.token_hex(24)}"
        if (other := self._by_token.get(token)) is not None:
            raise ValueError(f"this token belongs to another agent already: {other.name!r}")
        account = self._put(replace(wanted, agent_id=self._new_id(), token=token))
        self.added.append(account.agent_id)
        return account

    def enter(self, account: AgentAccount) -> None:
        """Take over an account of an earlier run; ``add`` finds it again by its name."""
        self.accounts[account.agent_id] = self._by_token[account.token] = account
        self._earlier[account.agent_id] = account

    def _put(self, account: AgentAccount) -> AgentAccount:
        self.accounts[account.agent_id] = self._by_token[account.token] = account
        self._write_down(Change("account", account.agent_id, account))
        return account

    def add_claim(self, account: AgentAccount, onboarding: bool) -> str:
        """Make a bootstrap token that is exchanged, once, for the account's token."""
        token = f"obt_{secrets.token_hex(24)}"
        self._claims[token] = (account, onboarding)
        return token

    def find(self, token: object) -> AgentAccount | None:
        """Return the account of a bot token."""
        return self._by_token.get(token) if isinstance(token, str) else None

    def redeem(self, token: object) -> Frame | None:
        """Exchange a bootstrap token; return the claim_ok frame, None for any other token."""
        claim = self._claims.pop(token, None) if isinstance(token, str) else None
        if claim is None:
            return None
        account, onboarding = claim
        if onboarding:
            self._seeds.add(account.agent_id)
        told = {"agentId": account.agent_id, "permanentToken": account.token, "tokenId": self._new_id()}
        return {"type": "claim_ok", **told}

    def register(self, connection: Connection, account: AgentAccount, skills: object) -> None:
        """Let a connection speak for an agent; an older one stays open and gets no more tasks."""
        self.connections[account.agent_id] = connection
        self.skills[account.agent_id] = parsed_skills(skills)
        self.authentications[account.agent_id] = self.authentications.get(account.agent_id, 0) + 1

    def leave(self, connection: Connection) -> AgentAccount | None:
        """Forget a connection; return its agent if it was the one that got the agent's tasks."""
        for agent_id, current in self.connections.items():
            if current is connection:
                del self.connections[agent_id], self.skills[agent_id]
                return self.accounts[agent_id]
        return None

    def auth_ok(self, account: AgentAccount, august: bool) -> Frame:
        """Return the frame that tells an agent it is in."""
        frame: Frame = {"type": "auth_ok", "agentName": account.name}
        if august:
            frame["agentId"] = account.agent_id
        if account.agent_id in self._seeds:
            self._seeds.discard(account.agent_id)
            frame["onboardingSeed"] = {
                "kind": "first_touch_opening",
                "seedId": self._new_id(),
                "agentId": account.agent_id,
                "action": "open_conversation",
                "prompt": f"Introduce yourself as {account.name}.",
            }
        return frame


def parsed_skills(skills: object) -> list[Frame]:
    """Return an agent's skills as the March 2026 server reads them: none if one of them is malformed."""
    if not isinstance(skills, list):
        return []
    for skill in skills:
        if not isinstance(skill, dict) or not all(isinstance(skill.get(key), str) for key in _SKILL_FIELDS):
            return []
    return [{key: skill[key] for key in _SKILL_FIELDS} for skill in skills]
