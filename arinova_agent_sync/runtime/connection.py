"""What belongs to one connection, dropped whole with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..action_results import ActionCallResult, action_result
from ..errors import ActionError, ActionTimeout, TaskCancelled
from ..protocol.liveness import Liveness
from ..protocol.pieces import Gap, OutgoingMessage, Passing, Piece, Receipt, Terminal
from ..protocol.receipts import Receipts

if TYPE_CHECKING:
    from .websocket import WebSocket


class PendingCall:
    """One action call in flight, and the thread that waits for it.

    Args:
        call_id: its id, by which the result names it.
        action: the action's name.
    """

    __slots__ = ("_done", "_outcome", "action", "call_id")

    def __init__(self, call_id: str, action: str) -> None:
        self.call_id = call_id
        self.action = action
        self._done = threading.Event()
        self._outcome: ActionCallResult | BaseException | None = None

    def settle(self, payload: Mapping[str, object]) -> None:
        """Hand the result over."""
        self._finish(action_result(payload, self.action))

    def fail(self, why: str) -> None:
        """Have the call raise: there will be no result."""
        self._finish(ActionError(f"action_call {self.call_id} cancelled by {why}"))

    def cancel(self) -> None:
        """Have the call raise: its task was cancelled."""
        self._finish(TaskCancelled(f"action_call {self.call_id} cancelled with its task"))

    def result(self, timeout: float) -> ActionCallResult:
        """Wait for the result for so many seconds; raise what took its place."""
        self._done.wait(timeout)
        outcome = self._outcome
        if isinstance(outcome, ActionCallResult):
            return outcome
        raise outcome or ActionTimeout(
            f"action_call {self.action} ({self.call_id}) timed out after {timeout:g} s; "
            "the platform may still run it"
        )

    def _finish(self, outcome: ActionCallResult | BaseException) -> None:
        if self._outcome is None:
            self._outcome = outcome
            self._done.set()


class Connection:
    """One connection. Read and changed under the state lock.

    Args:
        number: 1 for the first of an agent's life.
        link: its WebSocket.
        patience: seconds that a ping may stay unanswered.
        doubtful: whether the server may take another for the newer one, and give up the tasks of this one: an
            earlier connection ended before it answered the token, which may arrive late.

    Attributes:
        asked: whether the token was sent and not answered.
    """

    def __init__(self, number: int, link: WebSocket, patience: float, *, doubtful: bool = False) -> None:
        self.number = number
        self.link = link
        self.doubtful = doubtful
        self.asked = False
        self.calls: dict[str, PendingCall] = {}
        self.receipts = Receipts()
        self.liveness = Liveness(patience)

    def note_written(self, pieces: Sequence[Piece], *, ending: bool) -> tuple[list[Receipt], bool]:
        """Note what needs a receipt of what is handed to the kernel now.

        Args:
            pieces: what is written.
            ending: whether the agent ends, so that no receipt can wait for the ping timer.

        Returns those that are waited for no longer, and whether to put a ping behind the pieces.
        """
        receipts = self.receipts
        forgotten: list[Receipt] = []
        urgent = False
        for piece in pieces:
            if isinstance(piece, (Terminal, OutgoingMessage, Gap)):
                forgotten += receipts.written(piece)
                urgent = urgent or piece.again or ending
                if isinstance(piece, Terminal) and piece.answers:
                    urgent = urgent or self.doubtful or piece.answer.connection != self.number
            elif isinstance(piece, Passing) and piece.repairs is not None:
                receipts.repaired(piece.repairs)
                urgent = True
        return forgotten, urgent or receipts.pong_wanted
