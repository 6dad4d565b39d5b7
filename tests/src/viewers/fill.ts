import type { Broker } from "@muster/tasks";
import { headers as newHeaders, type MsgHdrs } from "@nats-io/transport-node";

/** Messages from one acknowledged one to the next, so that the server is never far behind. */
const TOGETHER = 2_000;

interface Made {
  readonly subject: string;
  readonly body: string;
  readonly headers?: MsgHdrs;
}

/** Stores many messages fast: without an acknowledgement, except of each two-thousandth. */
async function storeMany({ nc, js }: Broker, count: number, make: (index: number) => Made): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { subject, body, headers } = make(index);
    const options = headers === undefined ? {} : { headers };
    if (index % TOGETHER === TOGETHER - 1 || index === count - 1) await js.publish(subject, body, options);
    else nc.publish(subject, body, options);
  }
}

const TASKS = ["MyPilotTask", "MyCheckPilotsTask"] as const;

/** Stores tasks that wait, as anybody who publishes may, spread over the VOs. */
export async function storeTasks(broker: Broker, count: number, vos: readonly string[]): Promise<void> {
  await storeMany(broker, count, (index) => ({
    subject: `tasks.${TASKS[index % 2]}.${vos[Math.floor(index / 2) % vos.length]}`,
    body: `{"ceName":"ce${index % 50}.example.org"}`,
  }));
}

const REASONS = ["CE does not answer within 30 s", "no such table: pilots", "<b>proxy</b> has expired"] as const;

/** Stores dead letters of as many tasks, spread over the VOs. */
export async function storeDeadLetters(broker: Broker, count: number, vos: readonly string[]): Promise<void> {
  const at = new Date().toISOString();
  await storeMany(broker, count, (index) => {
    const task = TASKS[index % 2] ?? "";
    const vo = vos[Math.floor(index / 2) % vos.length] ?? "";
    const headers = newHeaders();
    headers.set("Task-Id", `lost-${index}`);
    headers.set("Task-Attempt", "6");
    headers.set("Dead-Subject", `tasks.${task}.${vo}`);
    headers.set("Dead-Reason", REASONS[index % REASONS.length] ?? "");
    headers.set("Dead-At", at);
    return { subject: `dead.${task}.${vo}`, body: `{"ceName":"ce${index % 50}.example.org"}`, headers };
  });
}

/** Tells steps of tasks on `EVENTS`, so that a page changes with each look. */
export function tellEvents({ nc }: Broker, count: number, vos: readonly string[]): void {
  const at = new Date().toISOString();
  for (let index = 0; index < count; index++) {
    const vo = vos[index % vos.length] ?? "";
    const event = {
      step: "done",
      task: "MyPilotTask",
      vo,
      taskId: `t${index}-${at}`,
      attempt: 1,
      at,
      worker: "w1",
      tookMs: 12,
    };
    nc.publish(`events.MyPilotTask.${vo}.done`, JSON.stringify(event));
  }
}
