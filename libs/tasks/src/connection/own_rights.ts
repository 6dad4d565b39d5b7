// Tested by libs/tasks/src/connection/own_rights_test.ts
import type { NatsConnection } from "@nats-io/nats-core";
import { onReconnect } from "./reconnects.ts";

/** Subject on which the server tells a connection what its user may do. */
export const USER_INFO = "$SYS.REQ.USER.INFO";
/** Longest wait for that answer, ms. */
const ANSWER_MS = 2_000;
/** Time for which an answer counts, ms. A server that reads its configuration again tells nobody. */
const KNOWN_MS = 60_000;

/** What a user may publish: subjects with wildcards. Without `allow` it is everything that is not denied. */
interface Permitted {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

interface Known {
  readonly askedAtMs: number;
  readonly permitted: Promise<Permitted>;
}

/** What is known of each connection's user. {@linkcode mayPublish} writes it, and a reconnect clears it. */
const known = new WeakMap<NatsConnection, Known>();
const watched = new WeakSet<NatsConnection>();

/** Whether a subject, or a narrower pattern, is one of those that `pattern` stands for. */
export function isCovered(pattern: string, subject: string): boolean {
  const words = subject.split(".");
  const wanted = pattern.split(".");
  for (const [index, want] of wanted.entries()) {
    const word = words[index];
    if (word === undefined) return false;
    if (want === ">") return true;
    if (want !== word && (want !== "*" || word === ">")) return false;
  }
  return words.length === wanted.length;
}

/** Whether this connection's user may create and change Muster's streams. Others leave that to the scheduler. */
export function mayChangeStreams(nc: NatsConnection): Promise<boolean> {
  return mayPublish(nc, "$JS.API.STREAM.UPDATE.TASKS");
}

async function ask(nc: NatsConnection): Promise<Permitted> {
  try {
    const answer = await nc.request(USER_INFO, "", { timeout: ANSWER_MS });
    const { data } = answer.json<{ data?: { permissions?: { publish?: Permitted } } }>();
    return data?.permissions?.publish ?? {};
  } catch {
    // Not permitted, or nobody answers. What is asked for next shows it.
    return {};
  }
}

/**
 * Whether the server lets this connection's user publish there. Asks the server at most every minute and after a reconnect.
 *
 * It is for what a process does only where it may, so that a user with few rights causes no refusals. Returns true where that is not known.
 */
export async function mayPublish(nc: NatsConnection, subject: string): Promise<boolean> {
  if (!watched.has(nc)) {
    watched.add(nc);
    onReconnect(nc, () => void known.delete(nc));
  }
  let found = known.get(nc);
  if (found === undefined || performance.now() - found.askedAtMs > KNOWN_MS) {
    found = { askedAtMs: performance.now(), permitted: ask(nc) };
    known.set(nc, found);
  }
  const { allow, deny = [] } = await found.permitted;
  const isAllowed = allow === undefined || allow.length === 0 || allow.some((pattern) => isCovered(pattern, subject));
  return isAllowed && !deny.some((pattern) => isCovered(pattern, subject));
}

/**
 * Whether the server lets this connection's user publish there, for what a person asks for. Where the answer that is known says no, the
 * server is asked again. So a right that was given meanwhile counts at once. Returns true where that is not known.
 */
export async function mayPublishNow(nc: NatsConnection, subject: string): Promise<boolean> {
  if (await mayPublish(nc, subject)) return true;
  known.delete(nc);
  return await mayPublish(nc, subject);
}
