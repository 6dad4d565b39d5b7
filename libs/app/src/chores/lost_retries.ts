import { listRetries, type RecordedRetry, rereadRetries, type StandingRetry } from "@muster/ledger";
import { findLostRetries, publishRetry } from "@muster/tasks/operate";
import type { ChoreServers } from "./chore_servers.ts";

/** Rows that are read at once. For each page all of LATER may be listed. */
const PAGE = 10_000;
/** Retries that are published again at the same time. */
const IN_FLIGHT = 50;
/** Most retries that are remembered as reported, of those that nobody can publish again. */
const REMEMBERED = 10_000;

function count(number: number): string {
  return number === 1 ? "1 retry" : `${number} retries`;
}

/** Most ids that an alarm names. */
const NAMED = 5;

function describe(retries: readonly RecordedRetry[]): string {
  const named = retries.slice(0, NAMED).map(({ taskId, task, vo }) => `${taskId} (${task} of ${vo})`);
  const more = retries.length > NAMED ? `, and ${retries.length - NAMED} more` : "";
  return named.join(", ") + more;
}

/** Returns those of `retries` that were not reported before, and adds them to `told`. */
function newsOf(retries: readonly StandingRetry[], told: Set<string>): readonly StandingRetry[] {
  const news = retries.filter(({ taskId, attempt }) => !told.has(`${taskId}~${attempt}`));
  for (const { taskId, attempt } of news) {
    told.add(`${taskId}~${attempt}`);
    const [oldest] = told;
    if (told.size > REMEMBERED && oldest !== undefined) told.delete(oldest);
  }
  return news;
}

/** Publishes again each retry whose message is known, and reports it. Reports each of the others once. */
async function mend({ broker }: ChoreServers, lost: readonly StandingRetry[], told: Set<string>): Promise<void> {
  const whole = lost.flatMap(({ message, ...retry }) => (message === null ? [] : [{ ...retry, ...message }]));
  for (let at = 0; at < whole.length; at += IN_FLIGHT) {
    await Promise.all(whole.slice(at, at + IN_FLIGHT).map((retry) => publishRetry(broker, retry)));
  }
  const unknown = newsOf(
    lost.filter(({ message }) => message === null),
    told,
  );
  const texts = [
    ...(whole.length > 0 ? [`Published ${count(whole.length)} again that LATER had lost: ${describe(whole)}`] : []),
    ...(unknown.length > 0
      ? [
          `LATER has lost ${count(unknown.length)} of an older version, which kept no payload; publish them again under the same ids: ${describe(unknown)}`,
        ]
      : []),
  ];
  for (const text of texts) broker.observer.alarm(text, { count: whole.length + unknown.length });
  if (texts.length === 0) return;
  broker.keepIncident({ kind: "lost", about: "retries", text: texts.join("; "), isLoss: unknown.length > 0 });
}

/**
 * Looks for the message of each retry of the ledger in LATER or TASKS, and publishes those without one again. A roll-up
 * or a purge that emptied LATER may have lost them (PROTOCOL 4).
 *
 * `told` holds the retries of an older version that were reported. This function alone reads and writes it; the caller
 * keeps it from one look to the next.
 */
export async function republishRetries(
  servers: ChoreServers,
  signal: AbortSignal,
  told = new Set<string>(),
): Promise<void> {
  const { broker, database } = servers;
  for (let after = ""; !signal.aborted; ) {
    const page = await database.transaction((transaction) => listRetries(transaction, { after, limit: PAGE }));
    const missing = await findLostRetries(broker, page);
    if (missing.length > 0) {
      // A task that has gone on meanwhile has another row, and is not lost.
      const lost = await database.transaction((transaction) => rereadRetries(transaction, missing));
      if (lost.length > 0) await mend(servers, lost, told);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.taskId;
  }
}
