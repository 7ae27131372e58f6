"""A server on loopback that answers with the bytes it was given, as badly as a test asks for."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\nretry-after-ms: 1\r\n{more}\r\n"


def answer(body: str, status: str = "200 OK", kind: str = "text/event-stream", more: str = "") -> bytes:
    """An answer that ends where the connection does."""
    return (HEAD.format(status=status, kind=kind, more=more) + body).encode()


def stream(*chunks: Any) -> bytes:
    """A stream of events, ended as it should be."""
    return answer("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n")


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One event of a chat completion."""
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m-1"}
    return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@asynccontextmanager
async def serving(*answers: bytes | Sequence[bytes | float]) -> AsyncIterator[tuple[str, list[tuple[str, Any]]]]:
    """(base_url, the requests that came: headers, body). Answer by answer, the last again and again.

    An answer in parts is sent part by part; a number among them is a pause, s.
    """
    requests: list[tuple[str, Any]] = []
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            requests.append(await _read(reader))
            given = answers[min(len(requests), len(answers)) - 1]
            for part in [given] if isinstance(given, bytes) else given:
                await asyncio.sleep(0 if isinstance(part, bytes) else part)
                writer.write(part if isinstance(part, bytes) else b"")
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", requests
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> tuple[str, Any]:
    headers = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in headers.lower().splitlines() if line.startswith("content-length"))
    return headers, json.loads(await reader.readexactly(int(length.partition(":")[2])))
