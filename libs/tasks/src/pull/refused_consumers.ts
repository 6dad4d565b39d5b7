import { JetStreamApiError } from "@nats-io/jetstream";
import type { Lane } from "../policy/lane.ts";

/** JetStream's code while it has no leader. The watch of the stores tells that once it lasts. */
const NO_LEADER = 10008;
/** JetStream's code where a stream has as many consumers as its account, or the stream itself, allows. */
const TOO_MANY_CONSUMERS = 10026;
/** Why a lane is not pulled, and what to do, where our NATS user lacks the right. */
export const FORBIDDEN_PULL =
  "the NATS user of this process lacks the right; print users.conf with these tasks and VOs (`muster nats-users`), and reload the servers";

/** Greatest number of consumers that are named. The others are counted. */
const NAMED = 3;

/**
 * Why JetStream refused to create a consumer, and what to do. Undefined: it gave no reason, or one that passes by itself, or the watch of
 * permissions tells it.
 */
export function refusalIn(error: unknown): string | undefined {
  if (!(error instanceof JetStreamApiError) || error.code === NO_LEADER) return undefined;
  const isLimit = error.code === TOO_MANY_CONSUMERS;
  const way = isLimit
    ? "raise max_consumers of the account, or delete consumers of TASKS that nobody needs"
    : "see the log of nats-server";
  return `JetStream says: ${error.message}; ${way}`;
}

/** Says for which lanes the consumer is refused, or the pull, one line for each reason. The tasks of these lanes reach nobody. */
export function describeRefusals(lanes: Iterable<Pick<Lane, "consumer" | "refusal" | "isPaused">>): readonly string[] {
  const refused = Array.from(lanes).filter(({ refusal, isPaused }) => refusal !== undefined && !isPaused);
  return Array.from(
    Map.groupBy(refused, ({ refusal }) => refusal),
    ([reason, of]) => {
      const names = of.slice(0, NAMED).map(({ consumer }) => consumer);
      const more = of.length > NAMED ? ` and ${of.length - NAMED} more` : "";
      const verb = reason === FORBIDDEN_PULL ? "pull from" : "create";
      return `cannot ${verb} consumer${of.length === 1 ? "" : "s"} ${names.join(", ")}${more}, so these tasks reach nobody; ${reason}`;
    },
  );
}
