"""A client that reads raw bytes, so that tests see what the kit's server really sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from asynccrawl.testing import ImageServer

STEP = 0.01
"""Seconds: what the tests take for a short time."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def get(path: str = "/", host: str = "127.0.0.1", method: str = "GET", extra: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode()


@asynccontextmanager
async def connected(server: ImageServer, address: str = "127.0.0.1") -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(address, server.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[str, bytes]:
    """One honest exchange: the status line, and as many bytes as Content-Length says."""
    writer.write(request)
    first, headers = await read_head(reader)
    return first, await reader.readexactly(int(headers["content-length"]))


async def until_end(server: ImageServer, request: bytes | None = None) -> bytes:
    """Everything the server sends before it ends the connection in good order."""
    async with connected(server) as (reader, writer):
        writer.write(request or get())
        return await reader.read()


async def heard(server: ImageServer) -> tuple[bytes, BaseException | None]:
    """Everything that arrives on a connection, and the error that ended it."""
    received = bytearray()
    async with connected(server) as (reader, writer):
        writer.write(get())
        try:
            while data := await reader.read(65_536):
                received += data
        except ConnectionError as error:
            return bytes(received), error
    return bytes(received), None


async def soon(condition: Callable[[], bool]) -> None:
    while not condition():  # the server's state has no event to wait for; the test's time-out is the bound
        await asyncio.sleep(0.001)


async def stays_open(reader: asyncio.StreamReader) -> bool:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 2 * STEP)
    return True
