"""A WebSocket origin that accepts every handshake and then sends back what it gets, frame heads and all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
from typing import cast

import uvloop

_KEY = re.compile(rb"\r\nsec-websocket-key: *([^\r]+)", re.IGNORECASE)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Echo(asyncio.Protocol):
    def __init__(self) -> None:
        self._head = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, received: bytes) -> None:
        if self._is_open:
            self._transport.write(received)
            return
        self._head += received
        if not self._head.endswith(b"\r\n\r\n"):
            return
        key = _KEY.search(self._head)
        self._head = b""
        if key is None:
            self._transport.write(_PLAIN)
            return
        self._is_open = True
        accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )


async def main(port: int) -> None:
    """Serve on one port of the loopback until told to end."""
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
