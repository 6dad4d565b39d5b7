import type { KvEntry } from "@nats-io/kv";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import type { Broker } from "./broker.ts";
import { checkVoName } from "./names.ts";
import { isConflict, TASKS } from "./streams.ts";

/** The one key that holds it all: many keys would be seen half-applied. */
const KEY = "current";
/** How long the name of a removed VO is remembered, so that its waiting tasks are dropped and not taken for mistakes. */
export const TOMBSTONE_MS = 30 * 86_400_000;

/** Streams and buckets are declared in one go; a bucket that is so much younger than `TASKS` was deleted and created anew, ms. */
const TOGETHER_MS = 2_000;
/** Whoever runs writes a configuration back that has gone, within its reread of 5 s; so long it is waited for, ms. */
const RESTORED_WITHIN_MS = 8_000;

const scheduleText = z.string().min(1);
const TaskSettings = z.object({
  /** Switched off: no occurrence is published. Default true. */
  enabled: z.boolean().optional(),
  /** In place of the definition's schedule: `every 5s`, or `cron 0 * * * * Europe/Zurich`. */
  schedule: scheduleText.optional(),
  /** What differs for some VOs. */
  vos: z
    .record(z.string(), z.object({ enabled: z.boolean().optional(), schedule: scheduleText.optional() }))
    .optional(),
});
const VoSettings = z.object({
  state: z.enum(["active", "removed"]),
  /** When the state was last changed, RFC 3339. */
  changedAt: z.string(),
  /** Share of the turns among VOs of one priority, default 1. */
  weight: z.number().int().min(1).max(1000).optional(),
});
const Configuration = z.object({
  vos: z.record(z.string(), VoSettings).default({}),
  tasks: z.record(z.string(), TaskSettings).default({}),
});

export type TaskSettings = z.infer<typeof TaskSettings>;
export type VoSettings = z.infer<typeof VoSettings>;
/** The live configuration of the whole grid. */
export type Configuration = z.infer<typeof Configuration>;

/** What `config/current` holds cannot be read. The last good configuration stays in force. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly revision: number;
  constructor(revision: number, cause: unknown) {
    super(
      `Cannot read the configuration of revision ${revision}: ${z.prettifyError(cause as z.ZodError)}; write a valid one`,
      { cause },
    );
    this.revision = revision;
  }
}

function parse(entry: KvEntry | null): Configuration {
  if (entry === null || entry.operation !== "PUT") return { vos: {}, tasks: {} };
  let json: unknown;
  try {
    json = entry.json();
  } catch (cause) {
    throw new ConfigurationError(
      entry.revision,
      new z.ZodError([{ code: "custom", message: String(cause), path: [], input: entry.string() }]),
    );
  }
  const parsed = Configuration.safeParse(json);
  if (!parsed.success) throw new ConfigurationError(entry.revision, parsed.error);
  return parsed.data;
}

/** Reads the configuration from the stream's leader; an absent one is empty. Throws {@linkcode ConfigurationError}. */
export async function readConfiguration(broker: Broker): Promise<Configuration> {
  return parse(await broker.buckets.config.get(KEY));
}

/** As {@linkcode readConfiguration}, but undefined where none was ever written: the bucket is new, or was created anew. */
export async function findConfiguration(broker: Broker): Promise<Configuration | undefined> {
  const entry = await broker.buckets.config.get(KEY);
  return entry === null ? undefined : parse(entry);
}

/** Writes `last` where there is no configuration. Harmless when several processes do: the first one's stands. */
export async function restoreConfiguration(broker: Broker, last: Configuration): Promise<void> {
  try {
    await broker.js.publish(`$KV.config.${KEY}`, JSON.stringify(last), { expect: { lastSubjectSequence: 0 } });
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}

/**
 * Waits, where the configuration has gone with its bucket, until a running app has written it back: a change of nothing would leave
 * the changed VO alone. Where nobody does, nobody knows it any more.
 */
async function untilRestored({ jsm, buckets }: Broker): Promise<void> {
  if ((await buckets.config.get(KEY)) !== null) return;
  const [bucket, tasks] = await Promise.all([jsm.streams.info("KV_config"), jsm.streams.info(TASKS)]);
  if (Date.parse(bucket.created) - Date.parse(tasks.created) < TOGETHER_MS) return;
  const untilMs = performance.now() + RESTORED_WITHIN_MS;
  while ((await buckets.config.get(KEY)) === null && performance.now() < untilMs) await pause(100);
}

/** Changes the configuration by compare-and-set; `change` may run several times. Answers what was written. */
export async function changeConfiguration(
  broker: Broker,
  change: (now: Configuration) => Configuration,
): Promise<Configuration> {
  await untilRestored(broker);
  for (let tries = 0; ; tries++) {
    const entry = await broker.buckets.config.get(KEY);
    const next = Configuration.parse(change(parse(entry)));
    for (const vo of Object.keys(next.vos)) checkVoName(vo);
    try {
      await broker.js.publish(`$KV.config.${KEY}`, JSON.stringify(next), {
        expect: { lastSubjectSequence: entry?.revision ?? 0 },
      });
      return next;
    } catch (error) {
      if (!isConflict(error) || tries >= 50) throw error;
      await pause(5 + Math.random() * 20);
    }
  }
}

/** The configuration with `vo` added, or made active again. Throws `InvalidNameError`. */
export function withVo(now: Configuration, vo: string, weight?: number): Configuration {
  checkVoName(vo);
  const settings: VoSettings = {
    state: "active",
    changedAt: new Date().toISOString(),
    ...(weight === undefined ? {} : { weight }),
  };
  return { ...now, vos: { ...now.vos, [vo]: settings } };
}

/** The configuration with `vo` as a tombstone; older tombstones than 30 days go. */
export function withoutVo(now: Configuration, vo: string): Configuration {
  const kept = Object.entries(now.vos).filter(
    ([, { state, changedAt }]) => state === "active" || Date.parse(changedAt) > Date.now() - TOMBSTONE_MS,
  );
  const vos = Object.fromEntries(kept);
  if (vos[vo] !== undefined) vos[vo] = { ...vos[vo], state: "removed", changedAt: new Date().toISOString() };
  return { ...now, vos };
}

/** The names of the VOs that take part now. */
export function activeVos(configuration: Configuration): readonly string[] {
  return Object.keys(configuration.vos).filter((vo) => configuration.vos[vo]?.state === "active");
}
