import { NO_VO } from "@muster/tasks";
import { inspectRights } from "@muster/tasks/operate";
import { knownTasks } from "../run/extensions.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

/** An open connection to NATS. */
export type Connection = Parameters<typeof inspectRights>[0];

/** Tries on NATS what Muster's apps do, as the user of this command. Names each missing right. */
export async function examinePermissions(nc: Connection): Promise<readonly Finding[]> {
  const missing = await inspectRights(
    nc,
    (await knownTasks()).map(({ name }) => name),
    NO_VO,
  );
  if (missing.length === 0) return [good("permissions", "this command's NATS user may do all that Muster needs")];
  return missing.map(({ operation, right, isDispensable }) => {
    const what = operation === "publish" ? "publish to" : "subscribe to";
    const text = `this command's NATS user may not ${what} ${right}`;
    return isDispensable
      ? warning("permissions", `${text}; everything works without it, but some things come later or are not shown`)
      : bad("permissions", `${text}; give it that right, if the apps run as this user`);
  });
}
