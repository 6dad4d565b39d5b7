import type { MsgHdrs } from "@nats-io/nats-core";
import { headerOf, TRACEPARENT } from "./headers.ts";
import { InvalidNameError } from "./names.ts";

/** Headers of a publisher's own, such as `traceparent`: one value each. */
export type OwnHeaders = Readonly<Record<string, string>>;

/** Room for a task's own headers, bytes of names and values. */
const MAX_BYTES = 2_048;
/** The characters of a header's name, as in HTTP. */
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Characters that a value cannot hold: a header is one line. */
const NOT_IN_VALUE = /[\p{Cc}\p{Cs}\u2028\u2029]/u;
/** Beginnings of the names that mean something to Muster or to the server. */
const TAKEN = ["task-", "nats-", "dead-", "kv-"];

/** Whether a header belongs to the publisher of a task, and neither to Muster nor to the server. */
export function isOwnHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return !TAKEN.some((prefix) => lower.startsWith(prefix));
}

function refuse(name: string, problem: string, rule: string): never {
  throw new InvalidNameError({ what: "header", value: name, problem, rule });
}

/** Returns `headers`. Throws `InvalidNameError` where a message cannot carry them, or where a name is not free. */
export function checkOwnHeaders(headers: OwnHeaders): OwnHeaders {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name)) refuse(name, "it is no header's name", "use letters, digits and -");
    if (!isOwnHeader(name)) refuse(name, "such names mean something to Muster or to NATS", "choose another name");
    if (typeof value !== "string" || NOT_IN_VALUE.test(value))
      refuse(name, `its value is ${JSON.stringify(value)}`, "give text of one line");
    if (value !== value.trim()) refuse(name, `its value is ${JSON.stringify(value)}`, "leave out spaces at its ends");
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > MAX_BYTES)
    refuse(Object.keys(headers)[0] ?? "", `all headers have ${bytes} bytes`, `${MAX_BYTES} are the limit`);
  return headers;
}

/** Headers that a child has from its parent, by W3C Trace Context: which trace it belongs to. */
const TRACE = [TRACEPARENT, "tracestate"];

/** The headers of `parent`'s message that its children have too. */
export function traceHeadersOf(parent: MsgHdrs | undefined): OwnHeaders {
  const trace: Record<string, string> = {};
  for (const name of TRACE) {
    const value = headerOf(parent, name);
    if (value !== "") trace[name] = value;
  }
  return trace;
}

/** The publisher's own headers of a message, with the first value of each. */
export function ownHeadersOf(headers: MsgHdrs | undefined): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, values] of headers ?? []) {
    const value = values[0];
    if (value !== undefined && value !== "" && isOwnHeader(name)) own[name] = value;
  }
  return own;
}

/** The trace in a `traceparent` of W3C Trace Context, `00-<trace>-<span>-<flags>`; undefined where there is none. */
export function traceIdIn(traceparent: string | undefined): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? "")?.[1];
}

/** The trace that a message belongs to; undefined: none. */
export function traceIdOf(headers: MsgHdrs | undefined): string | undefined {
  const traceparent = headerOf(headers, TRACEPARENT);
  return traceparent === "" ? undefined : traceIdIn(traceparent);
}
