"""The channel between the bench and a Python process: JSON lines over the socket that Node.js opens for a child process."""

import asyncio
import json
import os
import socket
import time


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


async def serve(actor) -> None:
    """Carries out the bench's requests, each a method of the actor, until the bench disconnects."""
    channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
    reader, writer = await asyncio.open_connection(sock=channel)

    def send(message: dict) -> None:
        writer.write(json.dumps(message).encode() + b"\n")

    send({"id": 0, "answer": "ready"})
    while line := await reader.readline():
        request = json.loads(line)
        try:
            answer = await getattr(actor, request["verb"])(request.get("input"))
            send({"id": request["id"], "answer": answer})
        except Exception as error:
            send({"id": request["id"], "error": repr(error)})
        await writer.drain()


class Starts:
    """Notes the tasks that start in this process."""

    def __init__(self) -> None:
        self.seen = 0
        self.first_us = 0
        self.wanted = -1
        self.reached = asyncio.Event()

    def next(self, count: int) -> None:
        self.seen, self.wanted = 0, count
        self.reached.clear()

    def note(self) -> None:
        if self.seen == 0:
            self.first_us = now_us()
        self.seen += 1
        if self.seen == self.wanted:
            self.reached.set()
