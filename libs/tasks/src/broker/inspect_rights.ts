// Tested by tests/src/access/rights_test.ts
import { headers as newHeaders, type MsgHdrs, type NatsConnection, type Subscription } from "@nats-io/nats-core";
import { ForbiddenError, onForbidden } from "../connection/forbidden.ts";
import { EXPECTED_STREAM } from "../format/headers.ts";
import { isDispensable } from "../connection/permission_watch.ts";
import { USER_INFO } from "../connection/own_rights.ts";
import { markOwn } from "../connection/own_requests.ts";
import type { Broker } from "./broker.ts";
import { openRequests } from "./requests.ts";
import { BUCKET_NAMES } from "../streams/stream_needs.ts";
import { TASKS } from "../streams/streams.ts";

/** Longest wait for the answer to one trial, ms. A refusal comes at once. */
const ANSWER_MS = 2_000;
/** A name that no worker, task or key has. */
const NOBODY = "muster-doctor";
/** A stream that does not exist. A message that expects it is not stored. */
const NO_STREAM = "MUSTER_DOCTOR";
/** A sequence that no stream reaches. */
const NO_SEQUENCE = Number.MAX_SAFE_INTEGER;

/** A right that Muster uses, and a request that shows whether it is granted. */
interface Trial {
  readonly operation: "publish" | "subscription";
  /** The subject as an operator writes it. */
  readonly right: string;
  readonly subject: string;
  readonly body?: object;
}

/** A right that is missing. */
export interface MissingRight {
  readonly operation: "publish" | "subscription";
  /** The subject as an operator writes it, e.g. `tasks.MyPilotTask.>`. */
  readonly right: string;
  /** Whether everything works without it, only later, or without being visible. */
  readonly isDispensable: boolean;
}

const publish = (right: string, subject: string, body: object = {}): Trial => ({
  operation: "publish",
  right,
  subject,
  body,
});

/** Requests to JetStream's API that change nothing: each asks for what does not exist, or contradicts itself. */
const API: readonly Trial[] = [
  publish(USER_INFO, USER_INFO),
  publish("$JS.API.INFO", "$JS.API.INFO"),
  publish("$JS.API.STREAM.INFO.>", `$JS.API.STREAM.INFO.${TASKS}`),
  publish("$JS.API.STREAM.CREATE.>", `$JS.API.STREAM.CREATE.${TASKS}`, { name: NO_STREAM }),
  publish("$JS.API.STREAM.UPDATE.>", `$JS.API.STREAM.UPDATE.${TASKS}`, { name: NO_STREAM }),
  publish("$JS.API.STREAM.PURGE.>", `$JS.API.STREAM.PURGE.${TASKS}`, { filter: NOBODY }),
  publish("$JS.API.STREAM.MSG.GET.>", `$JS.API.STREAM.MSG.GET.${TASKS}`, { seq: NO_SEQUENCE }),
  publish("$JS.API.STREAM.MSG.DELETE.>", `$JS.API.STREAM.MSG.DELETE.${TASKS}`, { seq: NO_SEQUENCE }),
  publish("$JS.API.CONSUMER.CREATE.>", `$JS.API.CONSUMER.CREATE.${TASKS}.${NOBODY}`, {
    stream_name: NO_STREAM,
    config: {},
  }),
  publish("$JS.API.CONSUMER.INFO.>", `$JS.API.CONSUMER.INFO.${TASKS}.${NOBODY}`),
  publish("$JS.API.CONSUMER.LIST.>", `$JS.API.CONSUMER.LIST.${TASKS}`),
  publish("$JS.API.CONSUMER.DELETE.>", `$JS.API.CONSUMER.DELETE.${TASKS}.${NOBODY}`),
  publish("$JS.API.CONSUMER.MSG.NEXT.>", `$JS.API.CONSUMER.MSG.NEXT.${TASKS}.${NOBODY}`),
];

/** A right that is used on a cluster only. A single server does not answer such a request. */
const ON_A_CLUSTER = publish("$JS.API.STREAM.LEADER.STEPDOWN.>", `$JS.API.STREAM.LEADER.STEPDOWN.${NO_STREAM}`);

function trialsFor(tasks: readonly string[], vo: string): readonly Trial[] {
  return [
    ...tasks.map((task) => publish(`tasks.${task}.>`, `tasks.${task}.${vo}`)),
    ...["later", "dead", "markers", "events", "audit", "wake", "drain"].map((word) =>
      publish(`${word}.>`, `${word}.${NOBODY}.${vo}.try`),
    ),
    ...BUCKET_NAMES.map((bucket) => publish(`$KV.${bucket}.>`, `$KV.${bucket}.${NOBODY}`)),
    publish("$JS.ACK.>", `$JS.ACK.${TASKS}.${NOBODY}.1.1.1.1.0`),
    publish("$JS.FC.>", `$JS.FC.${TASKS}.${NOBODY}.try`),
    ...API,
    ...[
      "wake.>",
      "drain.>",
      "events.>",
      "later.>",
      "due.>",
      "$JS.EVENT.ADVISORY.STREAM.>",
      `$JS.API.CONSUMER.DELETE.${TASKS}.*`,
      "$KV.locks.scheduler.>",
      "$KV.results.cancel.>",
      "$KV.results.progress.>",
    ].map((subject): Trial => ({ operation: "subscription", right: subject, subject })),
  ];
}

/** The subjects that {@linkcode inspectRights} tries on a cluster, for a check that they are those of the one list of rights. */
export function inspectedRights(
  tasks: readonly string[],
  vo: string,
): { readonly publish: readonly string[]; readonly subscribe: readonly string[] } {
  const trials = [...trialsFor(tasks, vo), ON_A_CLUSTER];
  const of = (operation: Trial["operation"]) =>
    trials.filter((trial) => trial.operation === operation).map(({ subject }) => subject);
  return { publish: of("publish"), subscribe: of("subscription") };
}

/** JetStream refuses a message with these headers before it stores it. The watches for changes by hand take it for Muster's own. */
function trialHeaders(): MsgHdrs {
  const headers = newHeaders();
  headers.set(EXPECTED_STREAM, NO_STREAM);
  markOwn(headers);
  return headers;
}

/** Subscribes, and waits until the server has refused or accepted. */
async function trySubscriptions(nc: NatsConnection, trials: readonly Trial[]): Promise<void> {
  const subscriptions: Subscription[] = trials.map(({ subject }) => nc.subscribe(subject, { callback() {} }));
  await nc.flush();
  for (const subscription of subscriptions) subscription.unsubscribe();
}

/**
 * Tries each right that Muster's apps use, as the user of this connection, for `tasks` and one `vo`. Stores and changes nothing.
 *
 * Throws `ForbiddenError` where the user may not even receive answers, and the connection's errors.
 */
export async function inspectRights(
  nc: NatsConnection,
  tasks: readonly string[],
  vo: string,
): Promise<readonly MissingRight[]> {
  const trials = [...trialsFor(tasks, vo), ...(nc.info?.cluster === undefined ? [] : [ON_A_CLUSTER])];
  const requests = openRequests(nc, { timeoutMs: ANSWER_MS });
  const refused = new Set<string>();
  const stop = onForbidden(nc, ({ operation, subject }) => refused.add(`${operation} ${subject}`));
  try {
    const asked = trials.filter(({ operation }) => operation === "publish");
    await Promise.all(
      asked.map(async ({ subject, body }) => {
        try {
          await requests.ask({ subject, body: JSON.stringify(body ?? {}), headers: trialHeaders() });
        } catch (error) {
          if (error instanceof ForbiddenError && error.operation === "subscription") throw error;
          // Any other error means that the right is granted: nobody listens there, or JetStream says what is wrong with the request.
        }
      }),
    );
    await trySubscriptions(
      nc,
      trials.filter(({ operation }) => operation === "subscription"),
    );
    // The server sends each refusal before its answer to this.
    await nc.flush();
  } finally {
    stop();
  }
  return trials
    .filter(({ operation, subject }) => refused.has(`${operation} ${subject}`))
    .map(({ operation, right, subject }) => ({ operation, right, isDispensable: isDispensable(operation, subject) }));
}

/** First tokens of subjects that a stream stores. A message there whose expectation fails is not stored. */
const STORED = /^(?:tasks|later|dead|markers|events|audit|\$KV)\./;

/**
 * Whether the server still refuses what it refused before. A trial must leave no trace. Returns false for what cannot be tried that way.
 */
export async function isStillForbidden(
  { requests }: Pick<Broker, "requests">,
  { operation, subject }: Pick<ForbiddenError, "operation" | "subject">,
): Promise<boolean> {
  if (operation !== "publish" || !STORED.test(subject)) return false;
  try {
    await requests.ask({ subject, body: "", headers: trialHeaders() });
    return false;
  } catch (error) {
    // Any other failure, such as silence, is found by the next task that needs the right.
    return error instanceof ForbiddenError;
  }
}
