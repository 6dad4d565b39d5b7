import { startNatsServer } from "@muster/local";
import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import type { ExecutionContext } from "ava";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Schedule } from "../calendar/schedule.ts";
import type { JsonObject } from "../definition/json.ts";
import type { Middleware } from "../definition/middleware.ts";
import { type AnyTask, atLeastOnceFactory, type NoDeps, type TaskSpec } from "../definition/task.ts";
import { openBroker } from "../lease/open_broker.ts";
import type { Broker } from "../broker/broker.ts";
import { changeConfiguration } from "../configuration/change_configuration.ts";
import { type Configuration, withVo } from "../configuration/configuration.ts";
import { type ConfigurationWatch, watchConfiguration } from "../configuration/configuration_watch.ts";
import { connectNats } from "../connection/connection.ts";
import { TASK_ID } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { within } from "../testing/patience.ts";
import { createReporter } from "../lead/reporter.ts";
import type { Chore } from "../lead/repeat.ts";
import { impatient, lead } from "./run_scheduler.ts";

/** How long a test waits for what comes when all is well, ms: the machine may be busy. */
const PATIENCE_MS = 120_000;
const defineTask = atLeastOnceFactory();

/** A task that nobody runs here. */
export function periodic(name: string, schedule: Schedule | undefined, per: "vo" | "all" = "vo"): AnyTask {
  return defineTask({ name, per, ...(schedule === undefined ? {} : { schedule }), execute() {} });
}

/** A task per VO that nobody runs here, with instances or policies of its own. */
export function recurring(spec: Omit<TaskSpec<JsonObject, unknown, NoDeps, unknown, "vo">, "execute">): AnyTask {
  return defineTask<JsonObject, unknown, unknown, "vo">({ per: "vo", ...spec, execute() {} });
}

/** An occurrence, as TASKS announced it when it was stored. */
export interface Seen {
  readonly taskId: string;
  /** `<Task>/<vo>`. */
  readonly of: string;
  readonly instance: string;
  readonly dueAt: number;
  readonly sequence: number;
  /** When we heard of it, ms since the epoch. */
  readonly heardAt: number;
}

/** Hears of each task that is stored from now on. */
export function listen(nc: NatsConnection) {
  const seen: Seen[] = [];
  const waiting = new Set<() => void>();
  nc.subscribe("wake.>", {
    callback(error, message) {
      if (error !== null) throw error;
      if (!message.headers?.has("Nats-Sequence")) return; // processes tell one another there too
      const taskId = message.headers.get(TASK_ID);
      const [task, vo, instance = "", dueAt = ""] = taskId.split("/");
      const sequence = Number(message.headers.get("Nats-Sequence"));
      seen.push({ taskId, of: `${task}/${vo}`, instance, dueAt: Date.parse(dueAt), sequence, heardAt: Date.now() });
      for (const look of waiting) look();
    },
  });
  return {
    seen,
    /** Resolves with all that match, once there are `count`. */
    async atLeast(count: number, matches: (one: Seen) => boolean = () => true): Promise<Seen[]> {
      const { promise, resolve, reject } = Promise.withResolvers<Seen[]>();
      const look = () => {
        const found = seen.filter(matches);
        if (found.length >= count) resolve(found);
      };
      const timer = setTimeout(
        () => reject(new Error(`heard ${seen.length} tasks, not ${count} that match`)),
        PATIENCE_MS,
      );
      waiting.add(look);
      look();
      try {
        return await promise;
      } finally {
        waiting.delete(look);
        clearTimeout(timer);
      }
    },
  };
}

/** What comes on a subscription that has a `max`. Rejects where that many have not come after two minutes. */
export async function allOn(subscription: Subscription): Promise<readonly Msg[]> {
  const all: Msg[] = [];
  const coming = (async () => {
    for await (const message of subscription) all.push(message);
    return all;
  })();
  return await within(
    coming,
    () => `${subscription.getMax()} messages on ${subscription.getSubject()}, of which ${all.length} came,`,
  );
}

/** A scheduler that leads because it is told to, on a connection of its own. */
export interface Leader extends AsyncDisposable {
  readonly broker: Broker;
  readonly configuration: ConfigurationWatch;
  readonly alarms: string[];
  readonly ended: Promise<void>;
}

async function reconnected(nc: NatsConnection): Promise<void> {
  for await (const { type } of nc.status()) if (type === "reconnect") return;
}

/** A real server with Muster's streams, in a folder of its own. */
export async function startGrid(options: { readonly vos?: readonly string[] } = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-schedule-"));
  let server = await startNatsServer({ dataDir, syncInterval: "lazy" });
  const { port, url } = server;
  const opened = new AsyncDisposableStack();

  async function connect(): Promise<{ broker: Broker; configuration: ConfigurationWatch; alarms: string[] }> {
    const alarms: string[] = [];
    const nc = await connectNats({ url, name: "test" });
    opened.defer(() => nc.close());
    const broker = await openBroker(nc, {
      observer: { alarm: (message) => void alarms.push(message), note() {}, step() {} },
    });
    return { broker, configuration: opened.use(await watchConfiguration(broker)), alarms };
  }

  const own = await connect();
  const configure = (change: (now: Configuration) => Configuration) => changeConfiguration(own.broker, change);
  await configure((now) => (options.vos ?? ["lhcb"]).reduce((before, vo) => withVo(before, vo), now));
  await own.configuration.refresh();

  return {
    ...own,
    url,
    configure,
    /** Leads with `tasks` until disposed of. `distort` plays a broken network. */
    async lead(
      tasks: readonly AnyTask[],
      {
        distort = (broker: Broker) => broker,
        chores = [] as readonly Chore[],
        middleware = [] as readonly Middleware[],
      } = {},
    ): Promise<Leader> {
      const { broker, configuration, alarms } = await connect();
      const stopped = new AbortController();
      const distorted = distort(await impatient(broker));
      const report = createReporter(distorted.observer);
      const lent = {
        broker: distorted,
        configuration,
        tasks,
        chores,
        middleware,
        worker: "test",
        signal: stopped.signal,
      };
      const ended = lead(lent, report);
      const leader = {
        broker,
        configuration,
        alarms,
        ended,
        async [Symbol.asyncDispose]() {
          stopped.abort();
          // A test that closed the connection has seen what that does.
          if (!broker.nc.isClosed()) await ended;
        },
      };
      return opened.use(leader);
    },
    /** Does an occurrence's work: its message goes. */
    finish: ({ sequence }: Pick<Seen, "sequence">) => own.broker.jsm.streams.deleteMessage(TASKS, sequence, false),
    async killServer(): Promise<void> {
      server.kill("SIGKILL");
      await server.exited;
    },
    /** Resolves when our own connection is back; the others are soon. */
    async restartServer(): Promise<void> {
      const back = reconnected(own.broker.nc);
      server = await startNatsServer({ dataDir, port, syncInterval: "lazy" });
      await back;
    },
    async [Symbol.asyncDispose]() {
      await opened.disposeAsync();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Grid = Awaited<ReturnType<typeof startGrid>>;

/** The number of messages on each subject of TASKS that matches. */
export async function countOn(
  { broker }: Pick<Grid, "broker">,
  filter: string,
): Promise<Readonly<Record<string, number>>> {
  return (await broker.jsm.streams.info(TASKS, { subjects_filter: filter })).state.subjects ?? {};
}

/**
 * Asserts the number of messages on each subject of TASKS that matches, once it is that: what is put away is told and kept before its
 * message goes. Looks for two minutes at most.
 */
export async function assertCounts(
  t: ExecutionContext,
  grid: Pick<Grid, "broker">,
  { on, are, why }: { readonly on: string; readonly are: Readonly<Record<string, number>>; readonly why?: string },
): Promise<void> {
  let found = await countOn(grid, on);
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until && !isDeepStrictEqual(found, are); ) {
    await pause(50);
    found = await countOn(grid, on);
  }
  t.deepEqual(found, are, why);
}

/** Finishes each occurrence as it comes, until disposed of. */
export function startWorking(grid: Grid) {
  const heard = listen(grid.broker.nc);
  let finished = 0;
  const timer = setInterval(() => {
    for (const one of heard.seen.slice(finished)) {
      finished++;
      void grid.finish(one).catch(() => undefined); // the grid is closing
    }
  }, 20);
  return { ...heard, [Symbol.dispose]: () => clearInterval(timer) };
}
