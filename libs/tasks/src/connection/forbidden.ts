import { type NatsConnection, PermissionViolationError, RequestError } from "@nats-io/nats-core";

/** What the server refused. */
export interface Refusal {
  readonly operation: "publish" | "subscription";
  readonly subject: string;
}

/** One line: what is refused, to which user, and what to do. */
export function describeForbidden({ operation, subject }: Refusal, who: string | undefined): string {
  const user = who === undefined ? "a NATS user without a login" : `the NATS user of this process, ${who},`;
  return operation === "publish"
    ? `Cannot publish to ${subject}: ${user} lacks the permission to publish there; ask for it`
    : `Cannot listen on ${subject}: ${user} lacks the permission to subscribe there; ask for it`;
}

/** The server refuses what we asked for: the NATS user lacks a permission. Asking again is useless until it is granted. */
export class ForbiddenError extends Error {
  override readonly name = "ForbiddenError";
  readonly operation: "publish" | "subscription";
  readonly subject: string;
  /** The user that the server knows us as; undefined: a user without a login. */
  readonly who: string | undefined;
  constructor(refusal: Refusal, who: string | undefined, cause?: unknown) {
    super(describeForbidden(refusal, who), { cause });
    this.operation = refusal.operation;
    this.subject = refusal.subject;
    this.who = who;
  }
}

/** Reads a subject that the server has quoted. */
function unquote(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text; // quoted in a way that only Go has: still readable for people
  }
}

/** Reads the refused subject from the error's text. The client reads neither a quoted character nor a refused reply subject. */
function refusalOf({ message, operation }: PermissionViolationError): Refusal {
  const [, quoted = ""] = /(?:Publish|Subscription) (?:to|with Reply of) "((?:[^"\\]|\\.)*)"/.exec(message) ?? [];
  return { operation, subject: unquote(quoted) };
}

type Listener = (error: ForbiddenError) => void;

/** The login of each connection; undefined: without a login. {@linkcode nameForbidden} writes it. */
const names = new WeakMap<NatsConnection, string | undefined>();
const listeners = new WeakMap<NatsConnection, Set<Listener>>();

async function listenOn(nc: NatsConnection, told: ReadonlySet<Listener>): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type !== "error" || !(status.error instanceof PermissionViolationError)) continue;
    const error = new ForbiddenError(refusalOf(status.error), names.get(nc), status.error);
    for (const listener of [...told]) listener(error);
  }
}

/** Calls `listener` for each thing that the server refuses on this connection, until the returned function is called. */
export function onForbidden(nc: NatsConnection, listener: Listener): () => void {
  const told = listeners.get(nc) ?? new Set<Listener>();
  if (!listeners.has(nc)) {
    listeners.set(nc, told);
    void listenOn(nc, told);
  }
  told.add(listener);
  return () => told.delete(listener);
}

/** Returns a {@linkcode ForbiddenError} with subject and right where the server refused, and otherwise `error`. */
export function asForbidden(nc: NatsConnection, error: unknown): unknown {
  const cause = error instanceof RequestError ? error.cause : error;
  if (!(cause instanceof PermissionViolationError)) return error;
  return new ForbiddenError(refusalOf(cause), names.get(nc), error);
}

/** The user that the server knows this connection as, without secrets; undefined: none. */
export function whoIs(nc: NatsConnection): string | undefined {
  return names.get(nc);
}

/**
 * Makes every request over `nc` that the server refuses fail with {@linkcode ForbiddenError}, also requests of the client's own libraries.
 */
export function nameForbidden(nc: NatsConnection, who: string | undefined): void {
  names.set(nc, who);
  const request = nc.request.bind(nc);
  nc.request = async (...question) => {
    try {
      return await request(...question);
    } catch (error) {
      throw asForbidden(nc, error);
    }
  };
}
