"""The one door to the wire.

Every frame goes into the outbox under the state lock, and whoever gets the write lock writes what waits there,
in order. A thread that finds the write lock taken goes on: its frame leaves with the holder's. So the order of
the outbox is the order on the wire, and a frame is either handed to the kernel whole or still in the outbox.

A chunk is written at once by the thread that made it, unless the task's last one was made a moment ago: chunks
that pile up leave together, once there are enough of them or the pinger's late timer comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..log import logger
from ..protocol import websocket_frames
from ..protocol.answer import LARGEST_CHUNK, PendingText
from ..protocol.frames import encode_text
from ..protocol.json_values import clean
from ..protocol.outbox import Chunks, Piece, PongReply, Terminal
from .connection import Connection
from .running_task import RunningTask
from .state import State
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


class Writer:
    """Write what waits in the outbox.

    Args:
        state: the agent's state.
        undelivered: called, without a lock, with each terminal that was given up.
        late: called, without the state lock, with terminals that left on another connection than their tasks
            came on.
    """

    def __init__(
        self,
        state: State,
        *,
        undelivered: Callable[[Terminal], None],
        late: Callable[[Sequence[Terminal]], None],
    ) -> None:
        self._state = state
        self._undelivered = undelivered
        self._late = late
        self._write = threading.Lock()  # taken before the state lock and the guard's, see state.py

    def chunk(self, running: RunningTask, text: str) -> bool:
        """Stream a piece of a task's answer; False, and nothing, if the task has ended."""
        now = self._state.clock()
        since = now - running.last_chunk
        # A model's pace. What is read of the task without the lock decides only which way the chunk goes.
        if (
            since >= (_AT_ONCE if running.slow_write else _PILE_UP)
            and now >= running.handed_over
            and self._write.acquire(blocking=False)
        ):
            try:
                open_still = self._straight(running, text)
            finally:
                self._write.release()
            if open_still is not None:
                self._note_write(running, now)
                if self._state.outbox.entries:
                    self.flush()
                return open_still
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
            running.patience = 0 if state.link is None else _PILE
            if running.patience:
                if not much and self._write.locked():
                    # Whoever writes looks once more before it goes. It may wait for the interpreter's lock till
                    # then; meanwhile this thread goes on with less ado.
                    return True
                most = _HIGH_PILE if handed_over else _PILE
                if count < most and waiting.size < _PILE_BYTES and (handed_over or since < _PILE_UP):
                    running.patience = min(most - count, _PILE)
                    state.schedule("flush", now + _LATE)
                    return True
        # Who has much waits until it is on the wire, and lets the others running.
        self.flush(state.settings.send_timeout if much else 0.0)
        if running.patience:
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
            for piece in filter(None, map(clean, pieces)):
                state.outbox.add_chunk(running.answer, piece)
        self.flush()
        return True

    def _note_write(self, running: RunningTask, began: float) -> None:
        running.last_chunk = self._state.clock()
        running.slow_write = running.last_chunk - began > _SLOW_WRITE

    def flush(self, patience: float = 0.0) -> None:
        """Write what waits, unless another thread is at it; wait patience seconds for that one to be done."""
        state = self._state
        # Looked at without the lock: whoever added a frame sees it, and that is enough.
        while state.link is not None and state.outbox:
            if not self._write.acquire(timeout=patience):
                return
            try:
                self._drain()
            finally:
                self._write.release()
        if state.outbox.gaps or state.outbox.given_up or state.outbox.unsure:
            self.report_losses()

    def flush_frames(self) -> None:
        """Write what waits; wait for the wire if a lot of frames beside answers waits already."""
        much = self._state.outbox.frame_bytes > _HIGH_WATER
        self.flush(self._state.settings.send_timeout if much else 0.0)

    def finish(self, link: WebSocket, timeout: float) -> None:
        """Write what waits and say goodbye, waiting up to timeout seconds for another writer."""
        if not self._write.acquire(timeout=max(0.0, timeout)):
            return
        try:
            self._drain()
            link.send_close(1000)
        except WebSocketError:
            pass  # it is gone already, which is what is wanted
        finally:
            self._write.release()

    def report_losses(self) -> None:
        """Log what was lost for want of a connection, and hand undelivered answers over."""
        outbox = self._state.outbox
        with self._state.lock:
            gaps, outbox.gaps = outbox.gaps, []
            given_up, outbox.given_up = outbox.given_up, []
            unsure, outbox.unsure = outbox.unsure, []
        for task_id in gaps:
            logger.warning(
                "task %s: text was lost, more than max_buffered_bytes waited for a connection", task_id
            )
        for task_id in unsure:
            logger.warning(
                "task %s: its answer may not have arrived, the connection was lost just after it", task_id
            )
        for terminal in given_up:
            self._undelivered(terminal)

    # Under the write lock

    def _straight(self, running: RunningTask, text: str) -> bool | None:
        """Write a chunk past the outbox; None, and nothing, if something waits there or it cannot be written."""
        state, answer = self._state, running.answer
        with state.lock:
            if running.ended is not None:
                return False
            link = state.link
            if link is None or state.outbox.entries or len(text) > LARGEST_CHUNK:
                return None
            texts = answer.speak(text)
        if len(texts) != 1:
            if texts:
                self._send(link, (Chunks(answer, texts),))
            return True
        try:
            size = link.send_text(answer.chunk_prefix + encode_text(texts[0]) + b"}")
            state.counters.count_written(1, 1, size)
        except WriteFailed as failure:
            self._failed(link, failure, (Chunks(answer, texts),))
        return True

    def _drain(self) -> None:
        state = self._state
        while True:
            with state.lock:
                link, connection = state.link, state.connection
                if link is None or connection is None or not state.outbox:
                    return
                pieces = state.outbox.take(_BATCH)
                late = self._note_answers(connection, pieces)
            rest = self._send(link, pieces)
            if late := [terminal for terminal in late if rest is None or terminal not in rest]:
                self._late(late)
            if rest is not None:
                return
            if not state.outbox:  # without the lock, as in flush()
                return

    def _note_answers(self, connection: Connection, pieces: Sequence[Piece]) -> list[Terminal]:
        """Note which answers leave now, and return those of tasks that came on another connection.

        Before they are written: what is done afterwards delays the next task. Under the state lock.
        """
        late = []
        for piece in pieces:
            if isinstance(piece, Terminal) and piece.rescue:
                if piece.answer.connection == connection.number:
                    connection.receipts.written(piece)
                else:
                    late.append(piece)
        return late

    def _send(self, link: WebSocket, pieces: Sequence[Piece]) -> Sequence[Piece] | None:
        """Write the pieces, and return None; or drop the link, put back and return what did not leave whole."""
        state = self._state
        frames = chunks = 0
        payloads: list[bytes] = []
        begin = size = 0
        try:
            for end, piece in enumerate(pieces):
                if isinstance(piece, Chunks):
                    prefix = piece.answer.chunk_prefix
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
            if payloads:
                size += link.send_texts(payloads)
            state.counters.count_written(frames + len(payloads), chunks, size)
        except WriteFailed as failure:
            whole = websocket_frames.whole(payloads, failure.sent)
            rest = _behind(pieces[begin:], whole)
            chunks = _chunks(pieces) - _chunks(rest)
            state.counters.count_written(frames + whole, chunks, size + failure.sent)
            self._failed(link, failure, rest)
            return rest
        return None

    def _failed(self, link: WebSocket, failure: WriteFailed, rest: Sequence[Piece]) -> None:
        """Keep what did not leave whole, and drop the link: nothing can follow half a frame."""
        state = self._state
        with state.lock:
            state.outbox.put_back(rest)
            state.take_link_down(link)
        link.abort()
        logger.debug("a write failed: %s", failure)


def _behind(pieces: Sequence[Piece], frames: int) -> list[Piece]:
    """Return the pieces without their first so many frames."""
    left: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Chunks):
            gone = min(frames, len(piece.texts))
            if gone < len(piece.texts):
                left.append(Chunks(piece.answer, piece.texts[gone:]))
        else:
            gone = min(frames, 1)
            if not gone:
                left.append(piece)
        frames -= gone
    return left


def _chunks(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.texts) for piece in pieces if isinstance(piece, Chunks))
