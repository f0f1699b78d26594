"""What waits to be written, in order, with a connection or without one; and what was lost.

Every frame passes through here, so a live chunk cannot overtake a buffered one, and a frame is either handed
to the kernel whole or still in here. Not thread-safe: call it under the state lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from . import frames
from .answer import LARGEST_CHUNK, Answer, PendingText
from .pieces import (
    Chunks,
    Entry,
    Gap,
    OutgoingMessage,
    Passing,
    Piece,
    PongReply,
    Receipt,
    Repair,
    Terminal,
    frame_size,
    outlives_connection,
    payloads_in,
    size_of,
    text_size,
    waits_as,
)
from .poison import Blamed, Poison, in_place_of

_LARGEST_PENDING = 64 * 1024  # bytes: what is lost at a time when too much waits
_MOST_PARTS = 4_096  # of one pending text that are taken at a time
_MOST_BYTES = 512 * 1024  # of one pending text that are taken at a time, about
_MOST_FRAMES = 8 * 1024 * 1024  # bytes of frames beside answers that wait for a peer which reads too little
_LARGEST_REPAIR = 1024 * 1024  # characters of an answer that are said once more


class Outbox:
    """The frames that wait.

    Args:
        max_bytes: bytes of text kept while there is no connection.
        max_terminals: terminal frames kept while there is no connection.

    Attributes:
        entries: what waits; others may look whether it is empty.
        ahead: what leaves before all that waits; others may look whether it is empty.
        frame_bytes: bytes of the frames that are not part of an answer, passing frames aside.
        gaps: ids of tasks that lost text since the caller last looked; the caller empties it.
        doubts: ids of tasks that may have lost text with a connection; the caller empties it.
        given_up: terminals and messages dropped since the caller last looked; the caller empties it.
        poisoned: what was dropped because connections broke while it left, an answer for its repair; the caller
            empties it.
        lost: messages that may have been lost with a connection and are to be looked for; the caller empties it.
        dropped: how many frames and pieces of text were dropped, passing frames aside.
    """

    def __init__(self, max_bytes: int, max_terminals: int) -> None:
        self._max_bytes = max_bytes
        self._max_terminals = max_terminals
        self.entries: deque[Entry] = deque()
        self.ahead: deque[Passing | PongReply] = deque()
        self._online = False
        self._pending: deque[PendingText] = deque()  # offline: those in the entries, oldest first
        self._pending_bytes = 0  # of these
        self.frame_bytes = 0
        self.gaps: list[str] = []
        self.doubts: list[str] = []
        self.given_up: list[Terminal | OutgoingMessage] = []
        self.poisoned: list[Blamed] = []
        self.lost: list[OutgoingMessage] = []
        self.dropped = 0
        self._poison = Poison()

    def __len__(self) -> int:
        return len(self.entries) + len(self.ahead)

    @property
    def size(self) -> int:
        """How many bytes of text and frames wait."""
        return sum(map(size_of, (*self.ahead, *self.entries)))

    def add_chunk(self, answer: Answer, text: str) -> PendingText:
        """Append streamed text, cleaned and not empty; return the pending text that it is the end of.

        Without a connection, the oldest text is lost past max_bytes. With one, fresh pieces may be appended to
        the pending text itself until it is taken.
        """
        last = (len(text) - 1) // LARGEST_CHUNK * LARGEST_CHUNK
        for begin in range(0, last, LARGEST_CHUNK):
            self._add_part(answer, text[begin : begin + LARGEST_CHUNK])
        return self._add_part(answer, text[last:])

    def add_terminal(self, terminal: Terminal) -> None:
        """Append a task's last frame; without a connection, the oldest is given up past max_terminals."""
        self.entries.append(terminal)
        if not self._online:
            self._keep_most_terminals()

    def add_frame(self, frame: bytes | OutgoingMessage) -> bool:
        """Append a frame that is not part of an answer; False, and nothing, if too much waits already."""
        if self._online:
            full = self.frame_bytes > _MOST_FRAMES
        else:
            full = self._pending_bytes + self.frame_bytes + frame_size(frame) > self._max_bytes
        if full:
            self.dropped += 1
            return False
        self.entries.append(frame)
        self.frame_bytes += frame_size(frame)
        return True

    def add_passing(self, frame: Passing) -> bool:
        """Append a frame for this connection alone; False, and nothing, if there is none."""
        if self._online:
            self.entries.append(frame)
        return self._online

    def add_ahead(self, frame: Passing | PongReply) -> bool:
        """Put a sign of life before what waits; False, and nothing, if there is no connection.

        Behind megabytes for a peer that reads slowly it would come too late.
        """
        if not self._online:
            return False
        if isinstance(frame, PongReply) and self.ahead and isinstance(self.ahead[-1], PongReply):
            self.ahead[-1] = frame  # RFC 6455, 5.5.3: only the latest ping needs an answer
        else:
            self.ahead.append(frame)
        return True

    def go_online(self) -> None:
        """Stop merging: there is a connection again."""
        self._online = True
        for pending in self._pending:
            pending.answer.close_pending(pending)
        self._forget_pending()

    @property
    def repairing(self) -> bool:
        """Whether answers are still in doubt on this connection."""
        return bool(self.entries) and isinstance(self.entries[0], Repair)

    def repair(self, answers: Iterable[Answer], *, whole: bool) -> None:
        """Put right, before anything else, what a lost connection may have swallowed of answers.

        Args:
            answers: those of the tasks that live; those whose last frames wait are looked at too.
            whole: whether the server takes a chunk that starts with all the text it has for the whole text. If
                not, the doubt is told as a gap.
        """
        waiting = [entry.answer for entry in self.entries if isinstance(entry, (Terminal, PendingText))]
        doubted = {id(answer): answer for answer in (*answers, *waiting) if answer.in_doubt}
        if doubted:
            self.entries.appendleft(Repair(deque(doubted.values()), whole))

    def go_offline(self) -> None:
        """Merge what comes from now on, keep what waits within the bounds, and drop passing frames."""
        if not self._online:
            return
        self._online = False
        self.ahead.clear()
        self.entries = deque(entry for entry in self.entries if outlives_connection(entry))
        for entry in self.entries:
            if isinstance(entry, PendingText) and not entry.lost:
                entry.answer.close_pending(entry)
                entry.merged = True
                entry.size = sum(map(text_size, entry.parts))
                self._pending.append(entry)
                self._pending_bytes += entry.size
        self._keep_within_bounds()
        self._keep_most_terminals()

    def take(self, most: int, into: list[Piece] | None = None) -> list[Piece]:
        """Remove and return what is to be written next, in order: about most bytes, at least one entry.

        Who may be interrupted gives an empty list to put it into, to have all the same what was taken till then.
        """
        pieces = [] if into is None else into
        pieces += self.ahead
        self.ahead.clear()
        taken = 0
        while self.entries and taken < most:
            entry = self.entries[0]
            if isinstance(entry, Terminal):  # what comes most often
                pieces.append(entry)
                del self.entries[0]  # not before: interrupted here it is in both places, as put_back() knows
                taken += len(entry.payload)
                continue
            del self.entries[0]
            if isinstance(entry, PendingText):
                pieces += self._take_pending(entry)
                taken += entry.size
                continue
            self.frame_bytes -= frame_size(entry)
            said: Piece | None
            if isinstance(entry, Repair):
                said = self._repaired(entry)
            elif isinstance(entry, OutgoingMessage) and entry.again:
                self.lost.append(entry)
                said = None
            else:
                said = entry
            if said is not None:
                pieces.append(said)
                taken += size_of(said)
        return pieces

    def put_back(self, pieces: Sequence[Piece], *, broke: bool = False) -> None:
        """Return to the front what did not leave whole, and stop counting it as written.

        The connection has failed: passing frames are dropped.

        Args:
            pieces: what was not written, or not to its end.
            broke: whether the peer or the network broke it; a first piece that has broken others is dropped.
        """
        repair = self.entries.popleft() if self.repairing else None  # of the next connection: it stays first
        # The connection was given up before its last write failed. In one go, since thousands may wait.
        if again := payloads_in(pieces) & payloads_in(self.entries):
            self.entries = deque(entry for entry in self.entries if not payloads_in((entry,)) & again)
            self.frame_bytes = sum(map(frame_size, self.entries))
        for piece in reversed(pieces):
            if isinstance(piece, Chunks):
                self.entries.appendleft(piece.answer.take_back(piece.texts))
            elif not isinstance(piece, (Passing, PongReply)):
                self.entries.appendleft(piece)
                self.frame_bytes += frame_size(piece)
        if repair is not None:
            self.entries.appendleft(repair)
        if broke and pieces:
            first = pieces[0]
            self.blame(first.repairs if isinstance(first, Passing) else first)

    def blame(self, first: Answer | Piece | None) -> None:
        """Note that a connection broke while this left, which waits again; drop it if it has broken others.

        Args:
            first: what headed the queue; an answer for its repair.
        """
        place = 1 if self.repairing else 0
        instead: Entry | None
        if isinstance(first, Answer):
            if not self._poison.broke(first):
                return
            dropped: Blamed = first
            instead = self._doubt(first)
        else:
            entry = self.entries[place] if place < len(self.entries) else None
            if entry is None or not waits_as(entry, first) or not self._poison.broke(entry):
                return
            del self.entries[place]
            self.frame_bytes -= frame_size(entry)
            dropped, instead = entry, self._in_place_of(entry)
        self.dropped += 1
        self.poisoned.append(dropped)
        if instead is not None:
            self.entries.insert(place, instead)

    def send_again(self, receipts: Sequence[Receipt]) -> None:
        """Put to the front what was given to the kernel and perhaps taken by nobody else.

        On the March 2026 server a second last frame of a task does no harm; a second message does.
        """
        waiting = payloads_in(self.entries)
        for receipt in reversed(receipts):
            # Writing it may have failed: then it waits already, or was dropped.
            if id(receipt.payload) not in waiting and not self._poison.was_dropped(receipt):
                self.entries.appendleft(receipt._replace(again=True))
                self.frame_bytes += frame_size(receipt)

    def forget(self, receipts: Iterable[Receipt]) -> None:
        """Give up the proof of what has left: there is too much of it."""
        for receipt in receipts:
            if not isinstance(receipt, Gap):
                self.given_up.append(receipt._replace(again=True))

    def empty(self) -> None:
        """Give everything up: there will be no connection any more."""
        self.given_up += [entry for entry in self.entries if isinstance(entry, (Terminal, OutgoingMessage))]
        self.dropped += sum(
            isinstance(entry, bytes) or (isinstance(entry, PendingText) and not entry.lost)
            for entry in self.entries
        )
        for entry in self.entries:
            if isinstance(entry, PendingText):
                entry.answer.close_pending(entry)
        self.entries.clear()
        self.ahead.clear()
        self.frame_bytes = 0
        self._forget_pending()

    def _add_part(self, answer: Answer, text: str) -> PendingText:
        pending = self._run(answer)
        size = text_size(text)
        answer.add(pending, text, size)
        if not self._online:
            self._pending_bytes += size
            self._keep_within_bounds()
        return pending

    def _run(self, answer: Answer) -> PendingText:
        pending = answer.pending
        if pending is None or (pending.merged and pending.size >= _LARGEST_PENDING):
            pending = answer.open_pending()
            self.entries.append(pending)
            if not self._online:
                pending.merged = True
                self._pending.append(pending)
        return pending

    def _take_pending(self, pending: PendingText) -> list[Piece]:
        answer = pending.answer
        answer.catch_up()
        most = _MOST_PARTS
        if pending.size > _MOST_BYTES:
            most = min(most, 1 + len(pending.parts) * _MOST_BYTES // pending.size)
        if len(pending.parts) > most and not pending.merged:
            self.entries.appendleft(answer.split(pending, most))
        answer.close_pending(pending)
        if answer.muted or (pending.lost and answer.gap_told):
            return []
        if pending.lost:
            answer.gap_told = True
            return [Gap(answer, frames.agent_stream_gap(answer.task_id))]
        if not pending.parts:  # they were cleaned away
            return []
        texts = answer.cut(["".join(pending.parts)] if pending.merged else pending.parts)
        return [Chunks(answer, texts)] if texts else []

    def _repaired(self, repair: Repair) -> Passing | Gap | None:
        """Return what puts the first of the answers right, or tells the doubt; leave the others waiting."""
        answer = repair.answers.popleft()
        if repair.answers:
            self.entries.appendleft(repair)
        if not answer.in_doubt:
            return None
        if repair.whole and not answer.gap_told and answer.written <= _LARGEST_REPAIR:
            # For this connection alone: behind newer text it would double what it says.
            text = frames.encode_text(answer.server_text())
            return Passing((answer.chunk_prefix or answer.make_prefix()) + text + b"}", repairs=answer)
        self.doubts.append(answer.task_id)
        self.dropped += 1
        return self._doubt(answer)

    def _doubt(self, answer: Answer) -> Gap | None:
        """Settle that text may have been lost; return the notice, unless there was one."""
        answer.proven = answer.written
        if answer.gap_told:
            return None
        answer.gap_told = True
        return Gap(answer, frames.agent_stream_gap(answer.task_id))

    def _in_place_of(self, entry: PendingText | Receipt | bytes) -> Entry | None:
        """Return what takes the place of something that is dropped; see to its text."""
        if isinstance(entry, PendingText):
            owes = self._owes_notice(entry.answer)
            entry.lose()
            return entry if owes else None
        if isinstance(entry, OutgoingMessage):
            self.lost.append(entry)  # there is another way
        if not isinstance(entry, Terminal):
            return None
        instead = in_place_of(entry)
        if instead is None or not instead.answers:
            self.given_up.append(entry)
        return instead

    def _keep_within_bounds(self) -> None:
        while self._pending_bytes > self._max_bytes:
            pending = self._pending.popleft()
            self._pending_bytes -= pending.size
            self.dropped += 1
            if self._owes_notice(pending.answer):
                self.gaps.append(pending.answer.task_id)
            else:
                self.entries.remove(pending)
            pending.lose()

    def _owes_notice(self, answer: Answer) -> bool:
        """Tell whether the server must hear of a loss: once for each task, in the place of its first loss."""
        return not (answer.muted or answer.gap_told) and not any(
            isinstance(entry, PendingText) and entry.lost and entry.answer is answer for entry in self.entries
        )

    def _keep_most_terminals(self) -> None:
        terminals = [entry for entry in self.entries if isinstance(entry, Terminal)]
        for terminal in terminals[: max(0, len(terminals) - self._max_terminals)]:
            self.entries.remove(terminal)
            self.given_up.append(terminal)

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_bytes = 0
