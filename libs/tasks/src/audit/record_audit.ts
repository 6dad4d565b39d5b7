import { headers as newHeaders } from "@nats-io/nats-core";
import { randomUUID } from "node:crypto";
import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { MSG_ID } from "../format/headers.ts";
import { type Audited, makeRecord } from "./audit_record.ts";

/**
 * Keeps in `AUDIT` who did what. Call it after the change.
 *
 * A failure is told to the broker's observer as an alarm and undoes nothing, so it never throws for the broker's sake. Throws `RangeError`
 * where the action is not words with dots between.
 *
 * ```ts
 * await pauseQueue(broker, { task: "MyPilotTask" }, { by: "ana@ui01" });
 * await recordAudit(broker, { who: "ana@ui01", from: "cli", action: "queue.pause", target: "MyPilotTask" });
 * ```
 */
export async function recordAudit(broker: Broker, audited: Audited): Promise<void> {
  const record = makeRecord(audited);
  const headers = newHeaders();
  headers.set(MSG_ID, randomUUID());
  try {
    await publishSurely(broker, { subject: `audit.${record.action}`, body: JSON.stringify(record), headers });
  } catch (cause) {
    const what = `${record.action} of ${record.target} by ${record.who}`;
    const why = cause instanceof Error ? cause.message : String(cause);
    broker.observer.alarm(`Cannot keep in AUDIT that ${what} was done: ${why}; the change itself holds`, { cause });
  }
}
