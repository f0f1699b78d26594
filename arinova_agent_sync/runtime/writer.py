"""The one door to the wire.

Every frame goes into the outbox under the state lock, and whoever gets the turn writes what waits there, in order.
A thread that finds the turn taken goes on: its frame leaves with the holder's. So the order of the outbox is the
order on the wire, and a frame is either handed to the kernel whole or still in the outbox.

The turn is a note of who writes, made under the state lock, and no lock of its own: an exception may be raised at
any point of a thread that a user interrupts or stops (Ctrl-C, a time-out library), also between acquiring a lock
and the block that would release it. Whoever leaves without having finished leaves the turn to the pinger, which
nobody interrupts: it keeps what was under way and drops the connection. A write that fails ends so, too.

A chunk is written at once by the thread that made it, unless the task's last one was made a moment ago: chunks
that pile up leave together, once there are enough of them or the pinger's late timer comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ..log import logger
from ..protocol import websocket_frames
from ..protocol.answer import LARGEST_CHUNK, PendingText
from ..protocol.frames import PING, encode_text
from ..protocol.pieces import Chunks, Passing, Piece, PongReply, behind, chunks_in
from .running_task import RunningTask
from .state import State
from .state_changes import StateChanges
from .websocket import WebSocket
from .websocket_errors import WebSocketError, WriteFailed

_PILE_UP = 0.000_5  # seconds between chunks of one task below which they leave together
_LATE = 0.001  # seconds that such a chunk may wait
_PILE = 320  # chunks that leave together
_PILE_BYTES = 64 * 1024  # of a task that leave together
_BATCH = 64 * 1024  # bytes of text that are taken out of the outbox at a time
_HIGH_WATER = 256 * 1024  # bytes waiting, of one task or of none, above which their sender waits for the wire
_HIGH_PILE = 512  # chunks waiting of one task above which its sender waits for the wire

# Beside a thread that computes, each system call costs a turn of the interpreter's lock: 5 ms. So a write that
# took long, of a sender who has more to say at once, lets the pinger write for a while.
_SLOW_WRITE = 0.001  # seconds
_AT_ONCE = 0.002  # seconds
_HANDED_OVER = 0.1  # seconds
_LONGEST_TURN = 0.005  # seconds for which a handler's thread writes what others add meanwhile


_BROKEN: Final = object()  # the turn of a thread that did not finish what it wrote


class Writer:
    """Write what waits in the outbox.

    Args:
        state: the agent's state.
        report_losses: called, without a lock, when something may have been lost.
    """

    def __init__(self, state: State, *, report_losses: Callable[[], None]) -> None:
        self._state = state
        self.report_losses = report_losses
        # Whose turn it is to write, None for nobody's. Taken under the state lock, given back without.
        self._turn: object = None
        self._turn_ended = StateChanges(state.lock)
        # What was taken out, and is not known to have left.
        self._under_way: tuple[WebSocket, Sequence[Piece]] | None = None

    def chunk(self, running: RunningTask, text: str) -> bool:
        """Stream a piece of a task's answer; False, and nothing, if the task has ended."""
        now = self._state.clock()
        since = now - running.last_chunk
        # A model's pace. What is read of the task without the lock decides only which way the chunk goes.
        if (
            since >= (_AT_ONCE if running.slow_write else _PILE_UP)
            and now >= running.handed_over
            and self._turn is None
        ):
            me = object()
            try:
                try:
                    open_still = self._straight(me, running, text)
                finally:
                    if self._turn is me:
                        self._end_turn()
                if open_still is not None:
                    self._note_write(running, now)
                    if self._state.outbox.entries or self._state.outbox.ahead:
                        self.flush()
                    return open_still
            except BaseException:  # it may have come in the finally, too
                if self._turn is me:
                    self._end_turn()
                self._leave_to_pinger()
                raise
        return self._queue(running, text, now, since)

    def _queue(self, running: RunningTask, text: str, now: float, since: float) -> bool:
        """Put a chunk behind what waits, and write it unless more is likely to come at once."""
        state = self._state
        with state.lock:
            if running.ended is not None:
                return False
            waiting = state.outbox.add_chunk(running.answer, text)
            running.last_chunk = now
            if since < _AT_ONCE and running.slow_write:
                running.handed_over = now + _HANDED_OVER
            count, handed_over = len(waiting.parts), now < running.handed_over
            much = count >= _HIGH_PILE or waiting.size > _HIGH_WATER
            running.answer.patience = 0 if state.link is None else _PILE
            if running.answer.patience:
                if not much and self._turn is not None:
                    # Whoever writes looks once more before it goes. It may wait for the interpreter's lock till
                    # then; meanwhile this thread goes on with less ado.
                    return True
                most = _HIGH_PILE if handed_over else _PILE
                if count < most and waiting.size < _PILE_BYTES and (handed_over or since < _PILE_UP):
                    running.answer.patience = min(most - count, _PILE)
                    state.schedule("flush", now + _LATE)
                    return True
        # Who has much waits until it is on the wire, and lets the others run.
        self.flush(state.settings.send_timeout if much else 0.0)
        if running.answer.patience:
            self._note_write(running, now)
        return True

    def requeue(self, running: RunningTask, closed: PendingText) -> bool:
        """Queue anew what came into a pending text just after it was closed; False if the task has ended."""
        state = self._state
        with state.lock:
            pieces = closed.take_fresh()  # none, if it was only just before
            if not pieces:
                return True
            if running.ended is not None:
                return False
            for piece in filter(None, map(running.answer.whole, pieces)):
                state.outbox.add_chunk(running.answer, piece)
        self.flush()
        return True

    def _note_write(self, running: RunningTask, began: float) -> None:
        running.last_chunk = self._state.clock()
        running.slow_write = running.last_chunk - began > _SLOW_WRITE

    def flush(self, patience: float = 0.0, *, until_due: bool = False) -> None:
        """Write what waits, unless another thread is at it.

        If others always have more to write, the pinger goes on after a while: a handler has better to do.

        Args:
            patience: seconds to wait for that one to be done.
            until_due: for the pinger, go no further once a timer is due: it writes for a peer that reads slowly,
                and what it has to say meanwhile must not wait for all of that.
        """
        state = self._state
        by = float("-inf") if until_due else state.clock() + _LONGEST_TURN
        # Looked at without the lock: whoever added a frame sees it, and that is enough.
        outbox = state.outbox
        enough = False
        try:
            while state.link is not None and (outbox.entries or outbox.ahead):
                if enough:
                    self._leave_to_pinger()
                    break
                if not self._in_turn(partial(self._drain, by), patience):
                    return
                # At the end the pinger has no ear for timers any more, also if the end began just now.
                enough = state.timer_due() if until_due else state.clock() > by and not state.ending
        except BaseException:
            self._leave_to_pinger()
            raise
        if outbox.gaps or outbox.doubts or outbox.given_up or outbox.lost or outbox.poisoned:
            self.report_losses()

    def flush_frames(self) -> None:
        """Write what waits; wait for the wire if a lot of frames beside answers waits already."""
        much = self._state.outbox.frame_bytes > _HIGH_WATER
        self.flush(self._state.settings.send_timeout if much else 0.0)

    def ask_for_receipts(self, timeout: float) -> None:
        """Write what waits, for up to timeout seconds, and have the server confirm that it has read everything.

        For the pinger.
        """
        state = self._state
        with state.lock:
            state.ending = True
        self._wait_for_turn(timeout)
        self.flush()
        with state.lock:
            connection = state.connection
            asked = connection is None or not len(connection.receipts)
            if connection is not None and not asked and state.outbox.add_passing(Passing(PING)):
                state.ping(connection)
        self.flush()
        self.recover()

    def finish(self, link: WebSocket, timeout: float) -> None:
        """Write what waits and say goodbye, waiting up to timeout seconds for another writer. For the pinger."""
        self._wait_for_turn(max(0.0, timeout))

        def part() -> None:
            self._drain(float("inf"))
            link.send_close(1000)

        try:
            self._in_turn(part)
        except WebSocketError:
            pass  # it is gone already, which is what is wanted
        self.recover()

    def _wait_for_turn(self, timeout: float) -> None:
        """Wait for another thread's write to end, whichever way. For the pinger: nobody else would recover it."""
        self._turn_ended.wait_for(lambda: self._turn is None or self._turn is _BROKEN, timeout)
        with self._state.lock:
            if self._turn is None:
                self._turn_ended.notify_one()  # of the others who wait
        self.recover()

    def recover(self) -> None:
        """Keep what a failed or interrupted write had under way, and drop its connection. For the pinger."""
        state = self._state
        with state.lock:
            if self._turn is not _BROKEN or self._under_way is None:
                return
            link, pieces = self._under_way
            state.outbox.put_back(pieces, broke=link.broken)
            state.take_link_down(link)
            self._under_way = self._turn = None
            self._turn_ended.notify_one()
        link.abort()

    # The turn

    def _take_turn(self, me: object, patience: float) -> bool:
        """Make it this thread's turn, and take a batch; wait patience seconds. False if it took longer."""
        if patience:
            return self._turn_ended.wait_for(partial(self._take_free_turn, me), patience)
        if self._turn is not None:  # looked at without the lock, which many may want
            return False
        with self._state.lock:
            taken = self._take_free_turn(me)
        return taken  # noqa: RET504 - returned inside, an exception might come behind the block and before its exit

    def _take_free_turn(self, me: object) -> bool:
        """Make it this thread's turn if it is nobody's, and take a batch. Under the state lock."""
        if self._turn is None:
            self._turn = me
            self._take()
        return self._turn is me

    def _end_turn(self) -> None:
        state = self._state
        if self._under_way is None:
            self._turn = None
            if self._turn_ended.waiters:
                with state.lock:
                    self._turn_ended.notify_one()  # all of them would wake up to find that the first one has it
            return
        with state.lock:  # the mark comes last: until then whoever ends the turn once more does all of it
            state.schedule("recover", state.clock())
            self._turn_ended.notify_all()
            self._turn = _BROKEN

    def _leave_to_pinger(self) -> None:
        """Have the pinger write what others have added, and who waits for the turn look once more."""
        with self._state.lock:
            self._state.flush_soon()
            self._turn_ended.notify_one()

    def _in_turn(self, work: Callable[[], None], patience: float = 0.0) -> bool:
        """Do something once it is this thread's turn; False, and nothing, if that takes longer than patience."""
        me = object()
        try:  # twice: an exception may come in the first one's finally, too
            try:
                if not self._take_turn(me, patience):
                    return False
                work()
                return True
            finally:
                if self._turn is me:
                    self._end_turn()
        finally:
            if self._turn is me:
                self._end_turn()

    # In turn

    def _straight(self, me: object, running: RunningTask, text: str) -> bool | None:
        """Write a chunk past the outbox; None, and nothing, if something waits there or it cannot be written."""
        state, answer = self._state, running.answer
        with state.lock:
            if running.ended is not None:
                return False
            link = state.link
            if self._turn is not None or link is None or state.outbox.entries or len(text) > LARGEST_CHUNK:
                return None
            # Noted before anything is taken: interrupted between the two, the connection is dropped all the same.
            self._under_way = (link, ())
            self._turn = me
            texts = answer.speak(text)
            chunks = (Chunks(answer, texts),) if texts else ()
            self._under_way = (link, chunks)
        if len(texts) == 1:
            try:
                size = link.send_text(
                    (answer.chunk_prefix or answer.make_prefix()) + encode_text(texts[0]) + b"}"
                )
                state.counters.count_written(1, 1, size)
            except WriteFailed as failure:
                self._failed(link, failure, chunks)
                return True
        elif texts and self._send(link, chunks) is not None:
            return True
        self._under_way = None
        return True

    def _drain(self, by: float) -> None:
        """Write the batch that was taken with the turn, and what waits behind it until that moment on the clock."""
        state = self._state
        outbox = state.outbox
        while self._under_way is not None:
            link, pieces = self._under_way
            if self._send(link, pieces) is not None:
                return
            self._under_way = None
            # Without the lock, as in flush().
            if not (outbox.entries or outbox.ahead) or state.clock() > by:
                return
            with state.lock:
                self._take()

    def _take(self) -> None:
        """Take a batch of what waits, if there is a connection to write it to. Under the state lock."""
        state = self._state
        link, connection, outbox = state.link, state.connection, state.outbox
        if link is None or connection is None or not (outbox.entries or outbox.ahead):
            return
        if outbox.ahead:
            connection.liveness.left(state.clock())
        pieces: list[Piece] = []
        self._under_way = (link, pieces)  # before anything is taken, as above
        outbox.take(_BATCH, pieces)
        # Before they are written: what is done afterwards delays the next task.
        forgotten, wants_pong = connection.note_written(pieces, ending=state.ending)
        if forgotten:
            outbox.forget(forgotten)
        if wants_pong:
            pieces.append(Passing(PING))
            state.ping(connection)

    def _send(self, link: WebSocket, pieces: Sequence[Piece]) -> Sequence[Piece] | None:
        """Write the pieces, and return None; or end the link, and return what did not leave whole."""
        state = self._state
        frames = chunks = 0
        payloads: list[bytes] = []
        begin = size = 0
        try:
            for end, piece in enumerate(pieces):
                if isinstance(piece, Chunks):
                    prefix = piece.answer.chunk_prefix or piece.answer.make_prefix()
                    payloads += [prefix + encode_text(text) + b"}" for text in piece.texts]
                    chunks += len(piece.texts)
                elif isinstance(piece, PongReply):
                    if payloads:
                        size += link.send_texts(payloads)
                    frames += len(payloads)
                    begin, payloads = end, []
                    link.send_control(websocket_frames.PONG, piece.payload)
                    frames += 1
                    begin = end + 1
                else:
                    payloads.append(piece if isinstance(piece, bytes) else piece.payload)
            if len(payloads) == 1:
                size += link.send_text(payloads[0])
            elif payloads:
                size += link.send_texts(payloads)
            state.counters.count_written(frames + len(payloads), chunks, size)
        except WriteFailed as failure:
            whole = websocket_frames.whole(payloads, failure.sent)
            rest = behind(pieces[begin:], whole)
            chunks = chunks_in(pieces) - chunks_in(rest)
            state.counters.count_written(frames + whole, chunks, size + failure.sent)
            self._failed(link, failure, rest)
            return rest
        return None

    def _failed(self, link: WebSocket, failure: WriteFailed, rest: Sequence[Piece]) -> None:
        """Leave what did not leave whole to be kept, and end the link: nothing can follow half a frame."""
        self._under_way = (link, rest)
        link.abort()
        logger.debug("a write failed: %s", failure)
