"""The XOR with a mask key, in Python and in C."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol import websocket_frames, websocket_mask


def plainly(payload: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@pytest.fixture(params=["python", "c"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(websocket_mask, "in_c", None)
    else:
        assert websocket_mask.in_c is not None, "the package websockets has been built without its C code"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 1023, 1024, 1027, 65_536, 200_001])
def test_every_byte_meets_its_byte_of_the_key(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    assert websocket_mask.masked(payload[:size], b"\x00\xff\x5a\x13") == plainly(
        payload[:size], b"\x00\xff\x5a\x13"
    )


def test_a_batch_longer_than_a_slice_is_its_frames_one_behind_the_other() -> None:
    payloads = [bytes([number % 256]) * (number % 126) for number in range(3_000)]
    masks = bytes(number * 7 % 256 for number in range(4 * len(payloads)))
    alone = [
        websocket_frames.text_frame(payload, masks[4 * at : 4 * at + 4])
        for at, payload in enumerate(payloads)
    ]
    assert websocket_frames.frames(payloads, masks) == b"".join(alone)


@given(
    st.lists(st.one_of(st.integers(0, 130), st.integers(500, 530), st.just(2_000)), max_size=12), st.data()
)
def test_a_batch_is_its_frames_one_behind_the_other(lengths: list[int], data: st.DataObject) -> None:
    payloads = [bytes([size % 256]) * size for size in lengths]
    masks = data.draw(st.binary(min_size=4 * len(payloads), max_size=4 * len(payloads)))
    alone = [
        websocket_frames.text_frame(payload, masks[4 * at : 4 * at + 4])
        for at, payload in enumerate(payloads)
    ]
    assert websocket_frames.frames(payloads, masks) == b"".join(alone)


@pytest.mark.parametrize("payloads", [[b"a", b"b"], [b"a" * 200, b"b"]])
def test_a_batch_needs_a_key_for_each_frame(payloads: list[bytes]) -> None:
    with pytest.raises(ValueError):
        websocket_frames.frames(payloads, b"mask")


@given(st.binary(max_size=3_000), st.binary(min_size=4, max_size=4))
def test_both_ways_give_the_same(payload: bytes, mask: bytes) -> None:
    assert websocket_mask.masked(payload, mask) == plainly(payload, mask)
