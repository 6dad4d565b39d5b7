import { type Addressed, adviceFor } from "./refusals.ts";

/**
 * The database does not answer: it is down or shutting down, or the connection was lost or closed.
 *
 * The outcome of what was running is unknown. It is never the task's failure.
 */
export class DatabaseGoneError extends Error {
  override readonly name = "DatabaseGoneError";
  /** The field survives MikroORM, which wraps each error of a query in a class of its own and copies the fields. */
  readonly code = "DATABASE_GONE";
  /** `state` is the server's code where it refused the connection; `advice` says what to do. */
  constructor(
    doing: string,
    cause: unknown,
    { state, advice = "see that PostgreSQL runs where DATABASE_URL says" }: { state?: string; advice?: string } = {},
  ) {
    const found = cause instanceof Error && cause.message !== "" ? cause.message : "the connection is lost";
    super(`Cannot ${doing}: ${found}${state === undefined ? "" : ` (${state})`}; ${advice}`, { cause });
  }
}

/**
 * A statement failed earlier in this transaction, and the task went on. Nothing of the transaction can be kept. `cause`
 * is that first error.
 */
export class TransactionFailedError extends Error {
  override readonly name = "TransactionFailedError";
  constructor(cause: unknown) {
    const first = cause instanceof Error ? cause.message : "an unknown error";
    super(
      `Cannot go on in this transaction: an earlier statement failed with "${first}"; let that error end the task`,
      { cause },
    );
  }
}

/** The server is older than the versions that Muster is tested with. */
export class DatabaseTooOldError extends Error {
  override readonly name = "DatabaseTooOldError";
  /** Its major version, e.g. 13. */
  readonly major: number;
  constructor(version: number, oldest: number) {
    const major = Math.floor(version / 10_000);
    super(`Cannot use the database: it is PostgreSQL ${major}, and ${oldest} or newer is needed; upgrade it`);
    this.major = major;
  }
}

/** The login lacks a right. A new try changes nothing until the right is granted. */
export class DatabaseForbiddenError extends Error {
  override readonly name = "DatabaseForbiddenError";
  constructor(doing: string, cause: Error, advice: string) {
    super(`Cannot ${doing}: ${cause.message} (${FORBIDDEN}); ${advice}`, { cause });
  }
}

/** PostgreSQL's code for a missing right. */
const FORBIDDEN = "42501";

/** First characters of PostgreSQL's codes that are about the server or the connection, and not about the statement. */
const GONE_STATES = [
  "08", // connection exceptions
  "57P", // shut down by an operator, crashed, starting up, idle session closed
  "25P03", // idle in a transaction for too long: this process was frozen or too busy
  "25P04", // transaction_timeout: in a live process the task's own timeout comes first
  "25006", // a server that does not accept writes: a standby, or one that was just demoted
  "53", // out of connections, memory or disk
  "58", // the server's own files or system calls failed
  "28", // this login is refused
  "3D", // there is no such database
];
/** The exception in "53": the statement exceeds a limit that was set on purpose. */
const CONFIGURATION_LIMIT = "53400";
/**
 * Codes for a missing table, column, function, schema or right. Either the statement is wrong, or the database is not
 * as it must be.
 */
const DOUBTFUL_STATES = ["42P01", "42703", "42704", "42883", "3F000", "42501"];
const AGAIN_STATES = ["40001", "40P01"]; // serialisation failure, deadlock

/** An error and its causes, outermost first. At most a few, since a chain of causes may be a ring. */
function* chain(error: unknown): Generator<Error> {
  for (let link = error, depth = 0; link instanceof Error && depth < 10; link = link.cause, depth++) yield link;
}

/** PostgreSQL's five-character code, where the server itself reported the error. */
export function sqlStateOf(error: unknown): string | undefined {
  for (const link of chain(error)) {
    // Only a server's report has a severity. The code alone is not enough: EPIPE has five characters too.
    if ("severity" in link && "code" in link && typeof link.code === "string") return link.code;
  }
  return undefined;
}

/**
 * Whether `error` says that the database or the connection is gone. Then nothing was decided, and no task is to blame.
 */
export function meansGone(error: unknown): boolean {
  for (const link of chain(error)) {
    if ("code" in link && link.code === "DATABASE_GONE") return true;
  }
  const state = sqlStateOf(error);
  return state !== undefined && state !== CONFIGURATION_LIMIT && GONE_STATES.some((known) => state.startsWith(known));
}

/** The error to throw where a connection could not be made, or its first question got no answer. */
export function connectFailure(cause: unknown, address: Addressed): DatabaseGoneError | DatabaseTooOldError {
  if (cause instanceof DatabaseTooOldError || cause instanceof DatabaseGoneError) return cause;
  const state = sqlStateOf(cause);
  const advice = adviceFor(state, address);
  if (state !== undefined && advice !== undefined)
    return new DatabaseGoneError(advice.doing, cause, { state, advice: advice.advice });
  if (isUnreadableFile(cause))
    return new DatabaseGoneError("reach the database", cause, {
      advice: "correct that path in DATABASE_URL, or let this user read the file",
    });
  return new DatabaseGoneError("reach the database", cause);
}

/** Whether a file that the URL names, such as `sslrootcert`, cannot be opened. */
function isUnreadableFile(cause: unknown): boolean {
  return cause instanceof Error && "syscall" in cause && cause.syscall === "open";
}

/** `error`, or a {@linkcode DatabaseForbiddenError} where the server says that a right is missing. */
export function asForbidden(error: unknown, doing: string, advice: string): unknown {
  if (sqlStateOf(error) !== FORBIDDEN || error instanceof DatabaseGoneError) return error;
  return error instanceof Error ? new DatabaseForbiddenError(doing, saidByServer(error), advice) : error;
}

/** The server's own words, without the statement that MikroORM puts before them. */
function saidByServer(error: Error): Error {
  return [...chain(error)].findLast((link) => "severity" in link) ?? error;
}

/**
 * Whether `error` says that two transactions met and this one lost. The same work may succeed when it is done again.
 */
export function meansAgain(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && AGAIN_STATES.includes(state);
}

/**
 * Whether `error` says that something is missing which a migrated database has. Only a look at the schema shows whether
 * the statement or the database is wrong.
 */
export function meansDoubt(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && DOUBTFUL_STATES.includes(state);
}
