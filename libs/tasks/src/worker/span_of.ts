import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import type { Span } from "../connection/tracing.ts";
import { traceHeadersOf } from "../format/own_headers.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { byId } from "../run/identify.ts";

/**
 * Begins the span of a message in this worker; undefined where traces are off. A message without a trace begins one here.
 *
 * The message's headers name this span from now on. So its log lines, its children and its later attempts belong to its trace.
 */
export function spanOf({ observer }: Pick<Broker, "observer">, received: ReceivedTask): Span | undefined {
  const { tracing } = observer;
  if (tracing === undefined) return undefined;
  const { taskId, attempt } = byId(received);
  const { definition, vo } = received;
  const headers = traceHeadersOf(received.headers);
  const span = tracing.begin({ kind: "process", task: definition.name, vo, taskId, attempt, headers });
  received.headers ??= newHeaders();
  for (const [name, value] of Object.entries(span.headers)) received.headers.set(name, value);
  return span;
}
