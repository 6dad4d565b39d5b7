// Tested by tests/src/cli/operate_test.ts
import type { Broker } from "@muster/tasks";
import { recordAudit } from "@muster/tasks/operate";
import { complain, describeFailure } from "./failure.ts";
import { withBroker } from "./servers.ts";
import { whoRunsThis } from "./who.ts";

/** What a command has changed. */
export interface Change {
  /** The command's words with dots between, as `queue.pause`. */
  readonly action: string;
  readonly target: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Keeps who has changed what by this command. Call it after the change: where it cannot be kept, that is told, and the change holds. */
export async function audit(broker: Broker, { action, target, detail }: Change): Promise<void> {
  await recordAudit(broker, { ...{ who: whoRunsThis(), from: "cli", action, target }, detail });
}

/** Does the same for a command that needed the database alone. */
export async function auditOnNats(change: Change): Promise<void> {
  try {
    await withBroker((broker) => audit(broker, change));
  } catch (error) {
    complain(
      `Cannot keep in AUDIT that ${change.action} of ${change.target} was done: ${describeFailure(error)}; the change itself holds`,
    );
  }
}
