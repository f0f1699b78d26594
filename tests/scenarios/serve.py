"""Serve an embedded server as if it were a real one, until the input ends: ``python -m tests.scenarios.serve``.

Its first lines are the variables that name it to the scenarios.
"""

from __future__ import annotations

import sys

from .user_socket import SESSION, UserSocket


def main() -> None:
    with UserSocket().server as server:
        other = server.add_agent("Bob")
        for name, value in {
            "URL": server.url,
            "TOKEN": server.bot_token,
            "NAME": "Ann",
            "SESSION": SESSION,
            "CONVERSATION": server.conversation().id,
            "TOKEN_2": other.token,
            "NAME_2": "Bob",
            "GROUP": server.conversation(type="group").id,
            "PER_MINUTE": "0",
        }.items():
            print(f"export ARINOVA_REAL_{name}={value}")
        print(flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
