"""Framing in both directions, against literals and against websocket-client's own frames."""

from __future__ import annotations

import time
import tracemalloc
from itertools import accumulate

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket._abnf import frame_buffer

from arinova_agent_sync.protocol import websocket_frames
from arinova_agent_sync.protocol.websocket_frames import (
    Binary,
    Close,
    FrameReader,
    Ping,
    Pong,
    TooLarge,
    WireError,
)

MASK = b"\x37\xfa\x21\x3d"
LIMIT = 1000
NOISE = bytes(range(255)) * 300
EDGES = [0, 1, 3, 4, 5, 124, 125, 126, 127, 8191, 8192, 8193, 65535, 65536, 70001]

payloads = st.one_of(st.binary(max_size=300), st.sampled_from(EDGES).map(lambda size: NOISE[:size]))
masks = st.binary(min_size=4, max_size=4)


def server_frame(payload: bytes, opcode: int = 1, *, fin: int = 1, announce: int | None = None) -> bytes:
    size = len(payload) if announce is None else announce
    first = bytes((fin << 7 | opcode,))
    if size < 126:
        return first + bytes((size,)) + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


def messages(reader: FrameReader, data: bytes, step: int = 1 << 30) -> list[websocket_frames.Message]:
    found: list[websocket_frames.Message] = []
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def read(data: bytes, **options: int) -> list[websocket_frames.Message]:
    return messages(FrameReader(options.pop("limit", LIMIT), **options), data)


class TestToTheServer:
    def test_the_example_of_the_rfc(self) -> None:
        assert websocket_frames.text_frame(b"Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")

    @pytest.mark.parametrize(
        ("size", "head"),
        [
            (0, "8180"),
            (125, "81fd"),
            (126, "81fe007e"),
            (65535, "81feffff"),
            (65536, "81ff0000000000010000"),
        ],
    )
    def test_length_takes_the_shortest_form(self, size: int, head: str) -> None:
        assert websocket_frames.text_frame(b"a" * size, MASK).startswith(bytes.fromhex(head) + MASK)

    @pytest.mark.parametrize("size", EDGES)
    def test_masking_is_undone_by_masking(self, size: int) -> None:
        payload = NOISE[:size]
        built = websocket_frames.frame(websocket_frames.PING, payload, MASK)
        masked = built[len(built) - size :]
        assert bytes(byte ^ MASK[at % 4] for at, byte in enumerate(masked)) == payload

    @given(payloads, masks, st.sampled_from([1, 8, 9, 10]))
    def test_websocket_client_builds_the_same(self, payload: bytes, mask: bytes, opcode: int) -> None:
        theirs = websocket.ABNF(1, 0, 0, 0, opcode, 1, payload)
        theirs.get_mask_key = lambda _: mask  # type: ignore[method-assign]
        assert websocket_frames.frame(opcode, payload, mask) == theirs.format()

    @given(st.lists(st.integers(0, 140) | st.integers(500, 520), max_size=12), st.data())
    def test_a_batch_is_its_frames_one_behind_the_other(
        self, lengths: list[int], data: st.DataObject
    ) -> None:
        payloads = [data.draw(st.binary(min_size=size, max_size=size)) for size in lengths]
        keys = data.draw(st.binary(min_size=4 * len(payloads), max_size=4 * len(payloads)))
        alone = [
            websocket_frames.text_frame(payload, keys[4 * at : 4 * at + 4])
            for at, payload in enumerate(payloads)
        ]
        assert websocket_frames.frames(payloads, keys) == b"".join(alone)

    def test_a_batch_of_short_frames(self) -> None:
        payloads = [b"a" * size for size in (0, 1, 125, 7)]
        keys = bytes(range(16))
        alone = [
            websocket_frames.text_frame(payload, keys[4 * at : 4 * at + 4])
            for at, payload in enumerate(payloads)
        ]
        assert websocket_frames.frames(payloads, keys) == b"".join(alone)

    def test_a_batch_needs_a_key_for_each_frame(self) -> None:
        with pytest.raises(ValueError):
            websocket_frames.frames([b"a", b"b"], MASK)

    @pytest.mark.parametrize("lengths", [[0], [125, 126, 3], [65535, 65536, 1], []])
    def test_whole_counts_the_frames_that_left(self, lengths: list[int]) -> None:
        payloads = [b"a" * size for size in lengths]
        ends = list(accumulate(len(websocket_frames.text_frame(payload, MASK)) for payload in payloads))
        for sent in {0, 1, *ends, *(end - 1 for end in ends), *(end + 1 for end in ends)}:
            assert websocket_frames.whole(payloads, sent) == sum(end <= sent for end in ends)

    def test_a_long_reason_is_cut_between_characters(self) -> None:
        payload = websocket_frames.close_payload(1000, "ü" * 100)
        assert payload == b"\x03\xe8" + "ü".encode() * 61
        assert len(payload) <= websocket_frames.MAX_CONTROL_BYTES


class TestFromTheServer:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"\x81\x05Hello", [b"Hello"]),
            (b"\x81\x00", [b""]),
            (b"\x81\x02\xc3\xbc", ["ü".encode()]),
            (b"\x01\x03Hel\x80\x02lo", [b"Hello"]),
            (b"\x01\x01\xc3\x80\x01\xbc", ["ü".encode()]),  # a character across two fragments
            (b"\x01\x03Hel\x89\x01p\x00\x00\x80\x02lo", [Ping(b"p"), b"Hello"]),
            (b"\x89\x00\x8a\x02hi", [Ping(b""), Pong(b"hi")]),
            (b"\x82\x03\x00\xff\x01", [Binary(3)]),
            (b"\x02\x03\x00\xff\x01\x80\x01\x00", [Binary(4)]),
            (b"\x88\x00", [Close(1005, "")]),
            (b"\x88\x02\x03\xe8", [Close(1000, "")]),
            (b"\x88\x05\x0f\xa0bye", [Close(4000, "bye")]),
            (server_frame(b"a" * 126), [b"a" * 126]),
            (server_frame(b"a" * LIMIT), [b"a" * LIMIT]),
        ],
    )
    @pytest.mark.parametrize("step", [1, 2, 3, 1 << 30])
    def test_messages(self, data: bytes, expected: list[websocket_frames.Message], step: int) -> None:
        assert messages(FrameReader(LIMIT), data, step) == expected

    @pytest.mark.parametrize(
        ("data", "code", "text"),
        [
            (b"\x81\x80\x00\x00\x00\x00", 1002, "masked"),
            (b"\x81\xfe\x00\x80", 1002, "masked"),
            (b"\xc1\x01a", 1002, "reserved bits"),
            (b"\x91\x01a", 1002, "reserved bits"),
            (b"\xb9\x00", 1002, "reserved bits"),
            (b"\x83\x00", 1002, "opcode 3"),
            (b"\x8b\x00", 1002, "opcode 11"),
            (b"\x80\x01a", 1002, "continued nothing"),
            (b"\x81\x01a\x80\x01a", 1002, "continued nothing"),
            (b"\x01\x01a\x81\x01b", 1002, "inside another"),
            (b"\x01\x01a\x02\x01b", 1002, "inside another"),
            (b"\x09\x00", 1002, "fragmented"),
            (b"\x89\x7e\x00\x7e" + b"a" * 126, 1002, "longer than 125"),
            (b"\x88\x01a", 1002, "no valid code"),
            *(
                (b"\x88\x02" + code.to_bytes(2, "big"), 1002, "no valid code")
                for code in (0, 999, 1004, 1005)
            ),
            *(
                (b"\x88\x02" + code.to_bytes(2, "big"), 1002, "no valid code")
                for code in (1006, 1015, 2999, 5000)
            ),
            (b"\x88\x03\x03\xe8\xff", 1007, "not UTF-8"),
            (b"\x81\x01\xff", 1007, "not UTF-8"),
            (b"\x81\x02\xc3a", 1007, "not UTF-8"),
            (b"\x81\x01\xc3", 1007, "not UTF-8"),  # cut short
            (b"\x81\x03\xed\xa0\x80", 1007, "not UTF-8"),  # a surrogate
            (b"\x01\x01\xc3\x80\x01a", 1007, "not UTF-8"),
            (server_frame(b"", announce=1 << 62), 1009, "announced"),
            (server_frame(b"", announce=1 << 63), 1009, "announced"),
        ],
    )
    def test_what_breaks_the_rules(self, data: bytes, code: int, text: str) -> None:
        for step in (1, 1 << 30):
            with pytest.raises(WireError, match=text) as caught:
                messages(FrameReader(LIMIT), data, step)
            assert caught.value.close_code == code

    def test_what_came_before_the_breach_is_handed_out(self) -> None:
        reader = FrameReader(LIMIT)
        reader.feed(b"\x81\x01a\x89\x00\x83\x00")
        assert [reader.next(), reader.next()] == [b"a", Ping(b"")]
        for _ in range(2):
            with pytest.raises(WireError):
                reader.next()

    @pytest.mark.parametrize(
        ("data", "size"),
        [
            (server_frame(b"a" * (LIMIT + 1)), LIMIT + 1),
            (server_frame(b"\xff" * 5 * LIMIT), 5 * LIMIT),
            (server_frame(b"a" * LIMIT, fin=0) + server_frame(b"b", 0), LIMIT + 1),
            (server_frame(b"a", fin=0) + server_frame(b"", 0, fin=0) * 8 + server_frame(b"b", 0), 2),
        ],
    )
    @pytest.mark.parametrize("step", [1, 100, 1 << 30])
    def test_a_message_above_a_limit_passes_by(self, data: bytes, size: int, step: int) -> None:
        reader = FrameReader(LIMIT, max_fragments=9)
        expected = [b"before", TooLarge(size), b"after"]
        assert messages(reader, b"\x81\x06before" + data + b"\x81\x05after", step) == expected

    def test_control_frames_are_seen_inside_a_message_that_passes_by(self) -> None:
        data = server_frame(b"a" * LIMIT, fin=0) + b"\x89\x01p" + server_frame(b"aa", 0, fin=0) + b"\x89\x01q"
        assert read(data + b"\x80\x00") == [Ping(b"p"), Ping(b"q"), TooLarge(LIMIT + 2)]

    def test_a_message_is_drained_up_to_a_limit(self) -> None:
        first = server_frame(b"", announce=40 * LIMIT, fin=0)
        assert read(first) == []
        reader = FrameReader(LIMIT)
        messages(reader, first + bytes(40 * LIMIT))
        with pytest.raises(WireError) as caught:
            messages(reader, server_frame(b"", 0, announce=25 * LIMIT))
        assert caught.value.close_code == 1009

    @settings(max_examples=40)
    @given(st.data())
    def test_any_fragments_in_any_pieces(self, data: st.DataObject) -> None:
        """The same messages come out as websocket-client finds, however the bytes arrive."""
        stream, texts = b"", []
        for text in data.draw(st.lists(st.text(max_size=400), max_size=6)):
            payload = text.encode()
            cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3)))
            pieces = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
            for at, piece in enumerate(pieces):
                stream += server_frame(piece, 0 if at else 1, fin=at == len(pieces) - 1)
                if at < len(pieces) - 1 and data.draw(st.booleans()):
                    stream += server_frame(b"ping", 9)
            texts.append(payload)
        reader, found = FrameReader(10_000), []
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            found += messages(reader, stream[a:b], data.draw(st.sampled_from([1, 2, 7, 10_000])))
        assert [message for message in found if not isinstance(message, Ping)] == texts == theirs(stream)

    def test_a_long_message_may_come_as_views_of_one_buffer(self) -> None:
        data = server_frame("grüße".encode() * 20_000) + b"\x81\x01a"
        buffer = bytearray(65536)
        reader, found = FrameReader(1 << 20), []
        for at in range(0, len(data), len(buffer)):
            piece = data[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            reader.feed(memoryview(buffer)[: len(piece)])
            while (message := reader.next()) is not None:
                found.append(message)
        assert found == ["grüße".encode() * 20_000, b"a"]


class TestCost:
    def test_an_announcement_takes_no_memory(self) -> None:
        reader = FrameReader(16 << 20)
        tracemalloc.start()
        try:
            reader.feed(server_frame(b"a" * 100, announce=16 << 20))
            assert reader.next() is None
            assert tracemalloc.get_traced_memory()[1] < 10_000
        finally:
            tracemalloc.stop()

    def test_a_message_that_passes_by_takes_no_memory(self) -> None:
        reader = FrameReader(1 << 20)
        piece = memoryview(bytes(65536))
        tracemalloc.start()
        try:
            reader.feed(server_frame(b"", announce=32 << 20))
            for _ in range(512):
                assert reader.next() is None
                reader.feed(piece)
            assert reader.next() == TooLarge(32 << 20)
            assert tracemalloc.get_traced_memory()[1] < 200_000
        finally:
            tracemalloc.stop()

    def test_a_hundred_thousand_fragments(self) -> None:
        data = server_frame(b"a", fin=0) + server_frame(b"b", 0, fin=0) * 99_998 + server_frame(b"c", 0)
        began = time.process_time()
        assert messages(FrameReader(1 << 20), data + b"\x81\x05after", 65536) == [TooLarge(100_000), b"after"]
        assert time.process_time() - began < 2

    def test_a_long_frame_in_tiny_pieces(self) -> None:
        """The time is linear in the length, so a drip costs no more than its bytes."""
        data = server_frame(b"a" * 200_000)
        began = time.process_time()
        assert messages(FrameReader(1 << 20), data, 2) == [b"a" * 200_000]
        assert time.process_time() - began < 2

    def test_a_megabyte_holds_the_interpreter_briefly(self) -> None:
        payload = bytes(1 << 20)
        best = min(timed(lambda: websocket_frames.text_frame(payload, MASK)) for _ in range(5))
        assert best < 0.02


def timed(call: object) -> float:
    began = time.process_time()
    call()  # type: ignore[operator]
    return time.process_time() - began


def theirs(stream: bytes) -> list[bytes]:
    """Read the text messages with websocket-client's frame reader."""
    at = 0

    def receive(size: int) -> bytes:
        nonlocal at
        at += size
        return stream[at - size : at]

    buffer, found, parts = frame_buffer(receive, skip_utf8_validation=True), [], b""
    while at < len(stream):
        received = buffer.recv_frame()
        if received.opcode in (0, 1):
            parts += bytes(received.data)  # type: ignore[arg-type]
            if received.fin:
                found.append(parts)
                parts = b""
    return found
