import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

/** Variable with the path of the socket at which a group of test files asks for its turn. */
export const TURNS_VARIABLE = "MUSTER_TEST_TURNS";
/** Groups that run beside each other however busy the machine is. */
const AT_LEAST = 4;
/** Groups that run beside each other at most. Each takes memory, and so do its servers. Ava starts as many. */
export const AT_MOST = 6;
/** Share of the processors' time that must be left over before one more group begins. */
const LEFT_OVER = 0.25;
/** Time between two looks at the processors, ms: as long as a group loads its code, so that the next look sees what it costs. */
const LOOK_EVERY_MS = 1_000;

export interface TurnsOptions {
  /** Returns the share of the processors' time that was left over since the last call, from 0 to 1. */
  leftOver?(): number;
  readonly lookEveryMs?: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Lets groups begin in the order in which they ask. */
export interface Turns extends AsyncDisposable {
  /** The value of {@linkcode TURNS_VARIABLE}. */
  readonly path: string;
  /** Number of groups that have asked and may not begin yet. */
  readonly waiting: number;
  /** Looks at the processors, and lets one more group begin where they have time left over. It is called each second too. */
  look(): void;
}

/** Measures by what the system counts for all processors. */
function measureLeftOver(): () => number {
  function count() {
    const times = cpus().map((cpu) => cpu.times);
    const sum = (of: (time: (typeof times)[number]) => number) => times.reduce((total, time) => total + of(time), 0);
    return {
      idle: sum(({ idle }) => idle),
      all: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq),
    };
  }
  let before = count();
  return () => {
    const now = count();
    const passed = now.all - before.all;
    const share = passed > 0 ? (now.idle - before.idle) / passed : 0;
    before = now;
    return share;
  };
}

/** Opens the socket at which groups ask. Disposing of it closes the socket and all connections. */
export async function openTurns(options: TurnsOptions = {}): Promise<Turns> {
  const { leftOver = measureLeftOver(), lookEveryMs = LOOK_EVERY_MS, atLeast = AT_LEAST, atMost = AT_MOST } = options;
  const queue: Socket[] = [];
  const running = new Set<Socket>();

  function beginUpTo(most: number): void {
    while (running.size < most) {
      const next = queue.shift();
      if (next === undefined) return;
      running.add(next);
      next.write("\n");
    }
  }
  function look(): void {
    const share = leftOver();
    if (share >= LEFT_OVER && running.size < atMost) beginUpTo(running.size + 1);
  }

  const server = createServer((socket) => {
    queue.push(socket);
    socket.on("error", () => undefined); // it is closed next
    // The system closes it too, however the group's process ends.
    socket.on("close", () => {
      running.delete(socket);
      if (queue.includes(socket)) queue.splice(queue.indexOf(socket), 1);
      beginUpTo(atLeast);
    });
    socket.resume();
    beginUpTo(atLeast);
  });
  const folder = await mkdtemp(join(tmpdir(), "muster-turns-"));
  const path = join(folder, "socket");
  server.listen(path);
  await once(server, "listening");
  const looking = setInterval(look, lookEveryMs);
  return {
    path,
    get waiting() {
      return queue.length;
    },
    look,
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      const closed = once(server, "close");
      server.close();
      for (const socket of [...queue.splice(0), ...running]) socket.destroy();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Waits for the turn of this process, and keeps it until the process ends or the turn is disposed of. Without a gate it is always its turn.
 *
 * Throws when the gate ends first.
 */
export async function takeTurn(path = process.env[TURNS_VARIABLE]): Promise<Disposable> {
  if (!path) return { [Symbol.dispose]: () => undefined };
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("data", () => resolve());
    socket.once("error", reject);
    socket.once("close", () =>
      reject(new Error("Cannot run this group of test files: the gate ended before its turn")),
    );
  });
  socket.on("error", () => undefined); // the gate is gone, and what runs goes on
  socket.unref(); // it does not keep the process
  return { [Symbol.dispose]: () => socket.destroy() };
}
