import { SUBMIT_PILOT } from "@muster/logic/testing";
import type { PilotPeerVerbs } from "../actors/pilot_verbs.ts";
import type { RowReport } from "../report/report.ts";
import type { Actor } from "../run/actor.ts";
import { type Bench, figuresOf, inTurn, ratioTo, type Rounds } from "../run/bench.ts";
import { openPilotPeer, type PilotPeerName } from "../run/pilot_peers.ts";
import { countOverlaps } from "../run/pilot_sums.ts";
import { newCes, openPilotGrid, type Run, throughMuster } from "./pilots.ts";

const DURABILITY = "NATS lazy, Redis without persistence, PostgreSQL as it comes; all pilots in one table on it";
const CES = 10;

interface Peer {
  readonly name: PilotPeerName;
  /** How it runs one task at a time for each CE. */
  readonly how: string;
  /** What Muster promises of the same tasks, and it does not. */
  readonly lacks: string;
  /** What the ratio must reach. Absent: it promises far less, and the ratio is there to be known. */
  readonly atLeast?: number;
}

const PEERS: readonly Peer[] = [
  {
    name: "graphile-worker",
    how: "a named queue for each CE, ten jobs at a time in one worker",
    lacks:
      "no fence: a lock counts as lost after four hours, and its holder may still write. No effect once: the job ends after the submission has " +
      "committed, and runs again where the worker dies in between",
    atLeast: 1,
  },
  {
    name: "bullmq",
    how: "a queue for each CE and a worker of concurrency one for each queue, in one process",
    lacks:
      "no fence: a job whose lock of 30 s has lapsed runs again, and the first run may still write. No effect once: the job ends after the " +
      "submission has committed. A second process would submit beside the first. Redis keeps nothing on the disk",
  },
  {
    name: "diracx",
    how: "a mutex for each CE and a database that DiracX hands to the task, ten tasks at a time in one worker, and its scheduler",
    lacks:
      "no fence, and the mutex is let go before COMMIT. No effect once: the message is acknowledged after the submission has committed. A task " +
      "whose mutex is taken waits for five seconds",
    atLeast: 1,
  },
];

const rowOf = (peer: PilotPeerName) => `pilots-${peer}`;

interface Turn {
  readonly name: string;
  run(run: Run): Promise<number>;
}

function turnOf(name: PilotPeerName, actor: Actor<PilotPeerVerbs>): Turn {
  return {
    name,
    async run({ count, ceNames, concurrency }) {
      await actor.ask("publish", { count, ceNames });
      const { tookMs } = await actor.ask("submitAll", { count, ceNames, concurrency, statement: SUBMIT_PILOT });
      return tookMs;
    },
  };
}

function reportOf(
  { name, how, lacks, atLeast }: Peer,
  count: number,
  { rate, overlaps }: { rate: Rounds; overlaps: Rounds },
) {
  const both = (rounds: Rounds): Rounds => new Map([...rounds].filter(([each]) => each === "muster" || each === name));
  return {
    row: rowOf(name),
    title: `${count.toLocaleString("en")} submissions over ten CEs, one at a time for each CE, beside ${name}`,
    durability: DURABILITY,
    figures: [
      ...figuresOf(both(rate), { what: "submissions", unit: "tasks/s" }),
      ...figuresOf(both(overlaps), { what: "submissions beside another of their CE", unit: "" }),
    ],
    targets:
      atLeast === undefined
        ? []
        : [{ name: `pilots vs ${name} (no fence, no effect once)`, ratio: ratioTo(rate, name), atLeast }],
    notes: [`${name}: ${how}`, `what it does not promise: ${lacks}`],
  } satisfies RowReport;
}

/** The pilots' path beside peers that submit as many pilots to as many CEs, one at a time for each, by the same statement. */
export async function pilotsOnPeers(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  await using grid = await openPilotGrid(bench, "pilot-peers", 1);
  await using peers = new AsyncDisposableStack();
  const turns: Turn[] = [{ name: "muster", run: (run) => throughMuster(grid, run) }];
  const missing = new Map<PilotPeerName, string>();
  async function submit({ name, run }: Turn, count: number): Promise<{ rate: number; overlaps: number }> {
    progress(`pilots on peers, ${name}: ${count} submissions`);
    const load: Run = { count, ceNames: await newCes(grid, CES), concurrency: CES };
    const rate = (count / (await run(load))) * 1_000;
    return { rate, overlaps: await countOverlaps(grid.database, load) };
  }
  for (const { name } of PEERS) {
    try {
      turns.push(turnOf(name, peers.use(await openPilotPeer(name, bench, grid.databaseUrl))));
    } catch (error) {
      missing.set(name, error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    }
  }
  for (const turn of turns) await submit(turn, sizes.pilots / 4);
  const measured = await inTurn(sizes.rounds, turns, (turn) => submit(turn, sizes.pilots));
  return PEERS.map((peer): RowReport => {
    const report = reportOf(peer, sizes.pilots, measured);
    const reason = missing.get(peer.name);
    return reason === undefined ? report : { ...report, notes: [`${peer.name} could not be had: ${reason}`] };
  });
}

export const PILOT_PEER_ROWS = PEERS.map(({ name }) => rowOf(name));
