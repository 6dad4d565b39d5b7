"""Submits pilots as tasks of DiracX: a mutex for each CE, and a database that DiracX hands to the task in a transaction."""

import asyncio
import dataclasses
import random
import sys
import uuid

from diracx.db.sql.utils import BaseSQLDB
from diracx.tasks.plumbing.base_task import BaseTask
from diracx.tasks.plumbing.broker.redis_streams import RedisStreamBroker, stream_name_for
from diracx.tasks.plumbing.enums import Priority, Size
from diracx.tasks.plumbing.factory import create_task_bindings
from diracx.tasks.plumbing.lock_registry import LockedObjectType, register_locked_object_type
from diracx.tasks.plumbing.locks import MutexLock
from diracx.tasks.plumbing.retry_policies import NoRetry
from diracx.tasks.plumbing.scheduler.scheduler import TaskScheduler
from diracx.tasks.plumbing.worker.worker import Worker
from diracx_channel import Starts, now_us, serve
from redis.asyncio import Redis
from sqlalchemy import MetaData

VO = "vo1"
NAME = "bench:PilotTask"
STREAM = stream_name_for(Priority.NORMAL, Size.SMALL)
LABELS = {"priority": str(Priority.NORMAL), "size": str(Size.SMALL)}
# Number of tasks that are published at the same time.
IN_FLIGHT = 100
CE_LOCK = register_locked_object_type("bench_ce")
STARTS = Starts()


class PilotDB(BaseSQLDB):
    """The table of pilots, on the same PostgreSQL as everybody's."""

    metadata = MetaData()
    statement = ""

    async def submit(self, ce_name: str, task_id: str) -> int | None:
        values = (ce_name, VO, task_id, random.random())
        result = await self.conn.exec_driver_sql(self.statement, values)
        return result.one().pilotId


@dataclasses.dataclass
class PilotTask(BaseTask):
    ce_name: str
    pilot_task_id: str

    priority = Priority.NORMAL
    size = Size.SMALL
    retry_policy = NoRetry()

    @property
    def execution_locks(self):
        return [MutexLock(LockedObjectType(CE_LOCK), self.ce_name)]

    async def execute(self, pilots: PilotDB) -> int:
        STARTS.note()
        pilot_id = await pilots.submit(self.ce_name, self.pilot_task_id)
        if pilot_id is None:
            raise RuntimeError(f"{self.ce_name} takes no pilot")
        return pilot_id


class Actor:
    def __init__(self, redis_url: str, pilots_url: str) -> None:
        self.redis_url = redis_url
        self.pilots = PilotDB(pilots_url.replace("postgres://", "postgresql+asyncpg://", 1))
        self.broker = self.make_broker()

    def make_broker(self) -> RedisStreamBroker:
        size = IN_FLIGHT + 20
        return RedisStreamBroker(self.redis_url, worker_size=Size.SMALL, xread_count=100, max_connection_pool_size=size)

    async def open(self) -> None:
        self.redis = Redis.from_url(self.redis_url)
        bindings, _ = create_task_bindings(self.broker, {NAME: PilotTask})
        BaseTask.bind_broker(bindings)
        await self.broker.startup()

    async def publish(self, load: dict) -> None:
        ces = load["ceNames"]
        numbers = iter(range(load["count"]))

        async def lane() -> None:
            for number in numbers:
                await PilotTask(ces[number % len(ces)], str(uuid.uuid4())).schedule(labels=LABELS)

        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))

    async def submitAll(self, request: dict) -> dict:
        PilotDB.statement = request["statement"]
        STARTS.next(request["count"])
        broker = self.make_broker()

        async def in_transaction():
            async with self.pilots as pilots:
                yield pilots

        broker.dependency_overrides[PilotDB.transaction] = in_transaction
        _, wrapped = create_task_bindings(broker, {NAME: PilotTask})
        worker = Worker(
            broker=broker,
            task_registry=wrapped,
            task_class_registry={NAME: PilotTask},
            max_concurrent_tasks=request["concurrency"],
            max_prefetch=request["concurrency"],
        )
        # A task whose mutex is taken is delayed by five seconds. The scheduler brings it back.
        scheduler = TaskScheduler(self.make_broker(), self.redis_url)
        finish = asyncio.Event()
        async with self.pilots.engine_context():
            scheduling = asyncio.create_task(scheduler.run_forever(finish))
            listening = asyncio.create_task(worker.listen(finish))
            await STARTS.reached.wait()
            while (await self.redis.xpending(STREAM, broker.consumer_group_name))["pending"] > 0:
                await asyncio.sleep(0.002)
            took_ms = (now_us() - STARTS.first_us) / 1000
            finish.set()
            await asyncio.gather(listening, scheduling)
        await broker.shutdown()
        await scheduler.shutdown()
        return {"tookMs": took_ms}


async def main() -> None:
    actor = Actor(*sys.argv[1:3])
    await actor.open()
    await serve(actor)


asyncio.run(main())
