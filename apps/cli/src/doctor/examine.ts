// Tested by tests/src/cli/doctor_streams_test.ts
// Tested by tests/src/cli/doctor_locks_test.ts
import { escapeControls } from "@muster/service";
import { type Broker, connectNats, ForbiddenError, openBroker } from "@muster/tasks";
import {
  copiesWanted,
  countDeadLetters,
  inspectStreams,
  listNewerPayloads,
  listUnknownTasks,
  listWorkers,
  measureClock,
  untilWorkersShown,
  type StreamState,
} from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { hasPilots, knownTasks } from "../run/extensions.ts";
import { describeFailure } from "../run/failure.ts";
import { locateDatabase, locateNats, openOwnDatabase, ownCopies } from "../run/servers.ts";
import { withoutDatabaseFollowUps, withoutFollowUps, withoutTold } from "./follow_ups.ts";
import { examineGoneVos } from "./gone_vos.ts";
import { describeNewer, describeUnknown } from "../task/unknown.ts";
import { examineLocks, examineWorkerRecords } from "./locks.ts";
import { bad, type Finding, good, warning } from "./finding.ts";
import { judgeCopies } from "./copies.ts";
import { examineConfiguration } from "./configuration.ts";
import { type Connection, examinePermissions, unseen } from "./permissions.ts";
import { examineOutbox } from "./outbox.ts";
import { examineOverdue } from "./overdue.ts";
import { examineOverrides } from "./overrides.ts";
import { examineQueues } from "./queues.ts";
import { examineRestored } from "./restored.ts";
import { examineSchedulers } from "./schedulers.ts";
import { examineStorage } from "./storage.ts";
import { judgeUnable } from "./unable.ts";
import { examineWaiting } from "./untaken.ts";
import { examineVosOfCes } from "./ce_vos.ts";
import { examineUnknownVos } from "./unknown_vos.ts";
import { examineConsumers, examineIncidents, examineSettings } from "./settings.ts";

/** Difference in age to the oldest stream that shows that a stream was deleted and made again, ms. */
const YOUNGER_MS = 60_000;
const REMARKABLE_CLOCK_MS = 2_000;

/** Runs one look. An error that it throws becomes a finding. What the NATS user may not look at is added to `forbidden`, where that is given. */
async function look(
  about: string,
  work: () => Promise<readonly Finding[]>,
  forbidden?: string[],
): Promise<readonly Finding[]> {
  try {
    return await work();
  } catch (error) {
    if (forbidden !== undefined && error instanceof ForbiddenError) {
      forbidden.push(about);
      return [];
    }
    return [bad(about, escapeControls(describeFailure(error)))];
  }
}

async function examineDatabase(): Promise<readonly Finding[]> {
  await using database = await openOwnDatabase({
    url: await locateDatabase(),
    poolSize: 1,
    applicationName: "muster doctor",
  });
  await database.requireMigrated();
  await database.checkSchema();
  const outbox = await look("outbox", () => examineOutbox(database));
  return [good("PostgreSQL", "answers, and its schema is up to date"), ...outbox];
}

function examineStreams(streams: readonly StreamState[]): readonly Finding[] {
  const missing = streams.filter(({ state }) => state === "missing").map(({ name }) => name);
  if (missing.length === streams.length) return [warning("streams", "there is none yet; the first app declares them")];
  if (missing.length > 0)
    return [bad("streams", `${missing.join(", ")} had gone; any running app declares them again`)];
  if (streams.some(({ state }) => state === "no leader")) return [];
  const times = streams.map(({ createdAt }) => createdAt?.getTime() ?? 0);
  const oldest = Math.min(...times);
  const younger = streams.filter(({ createdAt }) => (createdAt?.getTime() ?? 0) > oldest + YOUNGER_MS);
  return [
    good("streams", `${streams.length} are there`),
    ...younger.map(({ name, createdAt }) =>
      warning(
        "streams",
        `${name} is younger than the others: it was gone, and was restored or declared again at ${createdAt?.toISOString()}`,
      ),
    ),
  ];
}

async function examineClock(broker: Broker): Promise<readonly Finding[]> {
  const aheadMs = Math.round(await measureClock(broker));
  const text = `this machine's is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? "behind" : "ahead of"} the broker's`;
  return [Math.abs(aheadMs) < REMARKABLE_CLOCK_MS ? good("clock", text) : warning("clock", `${text}; set it`)];
}

async function examineWorkers(broker: Broker): Promise<readonly Finding[]> {
  await untilWorkersShown(broker);
  const workers = await listWorkers(broker);
  const served = workers.flatMap((worker) => worker.tasks);
  const findings = (await knownTasks()).map(({ name }) => {
    const number = served.filter((task) => task === name).length;
    return number > 0
      ? good("workers", `${count(number, "worker")} for ${name}`)
      : bad("workers", `none for ${name}; start one`);
  });
  findings.push(...judgeUnable(workers));
  const unknown = await listUnknownTasks(broker);
  const texts = [...describeUnknown(unknown), ...describeNewer(await listNewerPayloads(broker))];
  return [...findings, ...texts.map((text) => warning("tasks", escapeControls(text)))];
}

async function examineDead(broker: Broker): Promise<readonly Finding[]> {
  const dead = await countDeadLetters(broker);
  if (dead === 0) return [good("dead letters", "none")];
  return [warning("dead letters", `${count(dead, "dead letter")}; see \`muster dead list\``)];
}

async function examineNats(): Promise<readonly Finding[]> {
  const nc = await connectNats({ ...(await locateNats()), name: "muster doctor" });
  try {
    return [
      good("NATS", `${nc.info?.version ?? "a server"} answers at ${nc.getServer()}`),
      ...(await look("permissions", () => examinePermissions(nc))),
      ...(await look("NATS", () => examineJetStream(nc))),
    ];
  } finally {
    await nc.close();
  }
}

async function examineJetStream(nc: Connection): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  // This comes before a broker is opened, since that declares missing streams.
  const streams = await inspectStreams(nc);
  findings.push(...examineStreams(streams), ...examineSettings(streams.filter(({ createdAt }) => createdAt)));
  findings.push(...judgeCopies(streams, copiesWanted(nc, ownCopies().replicas)));
  if (streams.some(({ createdAt }) => createdAt === undefined)) return findings;
  const broker = await openBroker(nc, ownCopies());
  const forbidden: string[] = [];
  for (const [about, work] of Object.entries({
    clock: examineClock,
    storage: examineStorage,
    configuration: examineConfiguration,
    overrides: examineOverrides,
    scheduler: async () => withoutFollowUps(broker, "scheduler", await examineSchedulers(broker)),
    schedules: examineOverdue,
    workers: async () => withoutFollowUps(broker, "workers", await examineWorkers(broker)),
    tasks: examineUnknownVos,
    queues: examineQueues,
    waiting: examineWaiting,
    records: examineWorkerRecords,
    locks: examineLocks,
    "dead letters": examineDead,
    settings: examineConsumers,
    restored: examineRestored,
    incidents: async () => withoutTold(findings, await examineIncidents(broker)),
    ...((await hasPilots()) ? { pilots: examineGoneVos, CEs: examineVosOfCes } : {}),
  })) {
    findings.push(...(await look(about, () => work(broker), forbidden)));
  }
  return [...findings, ...unseen(forbidden)];
}

/** Looks at everything. Never throws: what cannot be examined becomes a finding. */
export async function examine(): Promise<readonly Finding[]> {
  const [database, nats] = await Promise.all([look("PostgreSQL", examineDatabase), look("NATS", examineNats)]);
  return [...database, ...withoutDatabaseFollowUps(database, nats)];
}
