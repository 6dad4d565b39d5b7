// Tested by libs/tasks/src/later/later_watch_test.ts
import type { Msg } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { isOwnRequest } from "../connection/own_requests.ts";
import { LATER } from "../streams/streams.ts";
import type { LaterMemory } from "./later_memory.ts";

const PURGED = `$JS.API.STREAM.PURGE.${LATER}`;
const DELETED = `$JS.API.STREAM.MSG.DELETE.${LATER}`;

interface Taking {
  readonly filter?: unknown;
  readonly seq?: unknown;
}

/** Undefined for what the server refuses as well. */
function readTaking({ data }: Msg): Taking | undefined {
  if (data.length === 0) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMatch(filter: string, subject: string): boolean {
  const wanted = filter.split(".");
  const tokens = subject.split(".");
  if (wanted.at(-1) === ">") {
    if (tokens.length < wanted.length) return false;
  } else if (tokens.length !== wanted.length) return false;
  return wanted.every((token, index) => token === "*" || token === ">" || token === tokens[index]);
}

/** Whether Muster itself takes a message away, as that of a cancelled task. */
function takerOf(message: Msg): "muster" | "hand" {
  return isOwnRequest(message) ? "muster" : "hand";
}

/**
 * Hears requests to purge messages of LATER, or to delete one. They are meant, so a roll-up just after does not bring these back. What Muster
 * itself takes away is no loss at all.
 */
export function hearTaken({ nc }: Broker, memory: LaterMemory): Disposable {
  const listening = new DisposableStack();
  const purged = subscribeLasting(nc, { subject: PURGED }, (message) => {
    const taking = readTaking(message);
    if (taking === undefined) return;
    const { filter, seq: before } = taking;
    memory.taken(
      (subject, seq) =>
        (typeof filter !== "string" || filter === "" || isMatch(filter, subject)) &&
        (typeof before !== "number" || before === 0 || seq < before),
      takerOf(message),
    );
  });
  listening.use(purged);
  const deleted = subscribeLasting(nc, { subject: DELETED }, (message) => {
    const taking = readTaking(message);
    memory.taken((_subject, seq) => seq === taking?.seq, takerOf(message));
  });
  listening.use(deleted);
  return listening;
}
