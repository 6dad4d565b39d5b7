"""Drives DiracX's own task system for the bench, as publisher or worker. The first argument chooses which."""

import asyncio
import dataclasses
import sys

from diracx.tasks.plumbing.base_task import BaseTask
from diracx.tasks.plumbing.broker.redis_streams import RedisStreamBroker, stream_name_for
from diracx.tasks.plumbing.enums import Priority, Size
from diracx.tasks.plumbing.factory import create_task_bindings
from diracx.tasks.plumbing.worker.worker import Worker
from diracx_channel import Starts, now_us, serve
from redis.asyncio import Redis

NOTE = "a placeholder job of one virtual organisation at one compute element of the grid, some hundred bytes"
STREAM = stream_name_for(Priority.NORMAL, Size.SMALL)
# Number of submissions under way at the same time. More were not faster.
IN_FLIGHT = 100
LABELS = {"priority": str(Priority.NORMAL), "size": str(Size.SMALL)}


STARTS = Starts()


@dataclasses.dataclass
class NoOpTask(BaseTask):
    number: int
    sent_at_us: int
    note: str

    priority = Priority.NORMAL
    size = Size.SMALL

    @property
    def execution_locks(self):
        return []

    async def execute(self) -> None:
        STARTS.note()


def make_broker(url: str) -> RedisStreamBroker:
    return RedisStreamBroker(url, worker_size=Size.SMALL, xread_count=100, max_connection_pool_size=IN_FLIGHT + 20)


class Publisher:
    def __init__(self, url: str) -> None:
        self.broker = make_broker(url)
        bindings, _ = create_task_bindings(self.broker, {"bench:NoOpTask": NoOpTask})
        BaseTask.bind_broker(bindings)

    async def open(self) -> None:
        await self.broker.startup()

    async def publish(self, load: dict) -> dict:
        numbers = iter(range(load["count"]))

        async def lane() -> None:
            for number in numbers:
                await NoOpTask(number, 0, NOTE).schedule(labels=LABELS)

        started = now_us()
        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
        return {"tookMs": (now_us() - started) / 1000}


class Consumer:
    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> None:
        self.redis = Redis.from_url(self.url)
        await make_broker(self.url).startup()

    async def drain(self, request: dict) -> dict:
        STARTS.next(request["count"])
        broker = make_broker(self.url)
        _, wrapped = create_task_bindings(broker, {"bench:NoOpTask": NoOpTask})
        worker = Worker(
            broker=broker,
            task_registry=wrapped,
            task_class_registry={"bench:NoOpTask": NoOpTask},
            max_concurrent_tasks=request["concurrency"],
            max_prefetch=request["concurrency"],
        )
        finish = asyncio.Event()
        listening = asyncio.create_task(worker.listen(finish))
        await STARTS.reached.wait()
        while (await self.redis.xpending(STREAM, broker.consumer_group_name))["pending"] > 0:
            await asyncio.sleep(0.002)
        took_ms = (now_us() - STARTS.first_us) / 1000
        finish.set()
        await listening
        await broker.shutdown()
        return {"tookMs": took_ms}


async def main() -> None:
    role, url = sys.argv[1:3]
    actor = Publisher(url) if role == "publisher" else Consumer(url)
    await actor.open()
    await serve(actor)


asyncio.run(main())
