"""A socket after the handshake, and masked frames made by hand: for clients that measure the limit."""

from __future__ import annotations

import json
import os
import socket


def frame(message: dict) -> bytes:
    """Return a masked text frame."""
    payload = json.dumps(message).encode()
    size = len(payload)
    if size < 126:
        header = bytes((0x81, 0x80 | size))
    elif size < 65_536:
        header = bytes((0x81, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((0x81, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return header + mask + masked


def connect(url: str, token: str) -> socket.socket:
    """Connect to a sink, and authenticate."""
    host, port = url.removeprefix("ws://").split(":")
    peer = socket.create_connection((host, int(port)))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(
        b"GET /ws/agent HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    peer.recv(65_536)
    peer.sendall(frame({"type": "agent_auth", "botToken": token}))
    return peer
