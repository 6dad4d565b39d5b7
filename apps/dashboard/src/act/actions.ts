import { mayPublishNow, recordAudit } from "@muster/tasks/operate";
import { type Acting, type Action, type Deed, type Fields, RefusedError } from "./action.ts";
import { CONFIGURATION_ACTIONS } from "./configuration_actions.ts";
import { DEAD_ACTIONS } from "./dead_actions.ts";
import { OTHER_ACTIONS } from "./other_actions.ts";
import { QUEUE_ACTIONS } from "./queue_actions.ts";
import { SCHEDULE_ACTIONS } from "./schedule_actions.ts";

const ALL = [...QUEUE_ACTIONS, ...SCHEDULE_ACTIONS, ...DEAD_ACTIONS, ...OTHER_ACTIONS, ...CONFIGURATION_ACTIONS];

/** All that may be done from a page, by name. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map(ALL.map((each) => [each.name, each]));

/** What is told where the dashboard's user of NATS may write nothing. */
const ONLY_LOOKS =
  "Nothing was done: the NATS user of this dashboard may only look. To act, run the dashboard as a user who may write, such as operator, or use the muster command";

/** Does it, and keeps who did it. `address` is where the request came from. Throws what the action throws, and then keeps nothing. */
export async function act(
  { name, run }: Action,
  acting: Acting & { readonly address: string },
  fields: Fields,
): Promise<Deed> {
  const { broker, who, address } = acting;
  // Some actions ask PostgreSQL alone. What cannot be kept of who did it is not done.
  if (!(await mayPublishNow(broker.nc, `audit.${name}`))) throw new RefusedError(ONLY_LOOKS);
  const deed = await run(acting, fields);
  const detail = { ...deed.detail, address };
  await recordAudit(broker, { who, from: "dashboard", action: name, target: deed.target, detail });
  return deed;
}
