import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import * as z from "zod";
import type { NatsSettings } from "./nats_settings.ts";

/** Folder of the data of a `muster up`, in the folder in which it was started or one above. */
export const DATA_DIR = ".muster";
const FILE = "running.json";

const NatsSchema: z.ZodType<NatsSettings> = z
  .object({
    user: z.string(),
    password: z.string(),
    token: z.string(),
    nkeyFile: z.string(),
    nkeySeed: z.string(),
    credsFile: z.string(),
    creds: z.string(),
    jwt: z.string(),
    caFile: z.string(),
    certFile: z.string(),
    keyFile: z.string(),
    tlsFirst: z.boolean(),
    inboxPrefix: z.string(),
    named: z.record(z.string(), z.string()),
  })
  .partial();

const Running = z.object({
  /** The process that started the servers and ends them. */
  pid: z.int().positive(),
  natsUrl: z.string(),
  /** The login there, with its secrets; absent where none is needed. */
  nats: NatsSchema.optional(),
  /** Holds the password, so only the file's owner may read it. */
  databaseUrl: z.string(),
  /** Folder of its own nats-server's streams; absent where it uses another server. */
  natsDataDir: z.string().optional(),
});

/** The servers of a running `muster up`, as it announces them on this machine. */
export type Running = Readonly<z.infer<typeof Running>>;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: we may not signal the process, so it exists.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code !== "EACCES") throw error;
    throw new Error(
      `Cannot read ${file}: it is for the user alone who runs \`muster up\`; run this as that user, or set NATS_URL and DATABASE_URL`,
      { cause: error },
    );
  }
}

/** Writes for others on this machine where the servers of `dataDir` are. Replaces what an earlier run has left. */
export async function announceRunning(dataDir: string, running: Running): Promise<void> {
  const file = join(dataDir, FILE);
  await writeFile(`${file}.new`, `${JSON.stringify(running)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Takes the announcement back. */
export async function withdrawRunning(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE), { force: true });
}

/**
 * Returns the servers that a `muster up` on this machine runs for `dataDir`; undefined when there is none.
 *
 * Throws what reading the file throws, and `SyntaxError` or `ZodError` if it holds something else.
 */
export async function readRunning(dataDir: string): Promise<Running | undefined> {
  const text = await readIfThere(join(dataDir, FILE));
  if (text === undefined) return undefined;
  const running = Running.parse(JSON.parse(text));
  return isAlive(running.pid) ? running : undefined;
}

/** Like {@linkcode readRunning}, for the first `.muster` in `folder` or above it in which something runs. */
export async function findRunning(folder: string): Promise<Running | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const running = await readRunning(join(at, DATA_DIR));
    if (running !== undefined || at === dirname(at)) return running;
  }
}
