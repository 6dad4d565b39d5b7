import { recordAudit } from "@muster/tasks/operate";
import type { Acting, Action, Deed, Fields } from "./action.ts";
import { CONFIGURATION_ACTIONS } from "./configuration_actions.ts";
import { DEAD_ACTIONS } from "./dead_actions.ts";
import { OTHER_ACTIONS } from "./other_actions.ts";
import { QUEUE_ACTIONS } from "./queue_actions.ts";
import { SCHEDULE_ACTIONS } from "./schedule_actions.ts";

const ALL = [...QUEUE_ACTIONS, ...SCHEDULE_ACTIONS, ...DEAD_ACTIONS, ...OTHER_ACTIONS, ...CONFIGURATION_ACTIONS];

/** All that may be done from a page, by name. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map(ALL.map((each) => [each.name, each]));

/** Does it, and keeps who did it. `address` is where the request came from. Throws what the action throws, and then keeps nothing. */
export async function act(
  { name, run }: Action,
  acting: Acting & { readonly address: string },
  fields: Fields,
): Promise<Deed> {
  const { broker, who, address } = acting;
  const deed = await run(acting, fields);
  const detail = { ...deed.detail, address };
  await recordAudit(broker, { who, from: "dashboard", action: name, target: deed.target, detail });
  return deed;
}
