import { NO_VO } from "@muster/tasks";
import { inspectRights, type MissingRight } from "@muster/tasks/operate";
import { knownTasks } from "../run/extensions.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

/** An open connection to NATS. */
export type Connection = Parameters<typeof inspectRights>[0];

const AS_OPERATOR = "run `muster doctor` as the operator to see all";

/** Rights that the operator and the scheduler have, and no other app of infra/nats. */
const OF_NO_WORKER = ["$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>"];

/** Whether the rights are those of one app. It needs few of them, and the others are missing on purpose. */
function isOfOneApp(missing: readonly MissingRight[]): boolean {
  return OF_NO_WORKER.every((right) => missing.some((each) => each.right === right));
}

function describeApp(missing: readonly MissingRight[], tasks: readonly string[]): string {
  const lacks = new Set(missing.map(({ right }) => right));
  const published = tasks.filter((task) => !lacks.has(`tasks.${task}.>`));
  const tasksText = published.length === 0 ? "no task" : published.join(", ");
  const what = `this command's NATS user is that of one app: it may publish ${tasksText}`;
  return `${what}, and lacks ${missing.length} rights of the operator; ${AS_OPERATOR}`;
}

/** Says once what the user may not look at. */
export function unseen(abouts: readonly string[]): readonly Finding[] {
  if (abouts.length === 0) return [];
  return [warning("not looked at", `${abouts.join(", ")}: this command's NATS user may not; ${AS_OPERATOR}`)];
}

/** Tries on NATS what Muster's apps do, as the user of this command. Names each missing right; the user of one app is told once. */
export async function examinePermissions(nc: Connection): Promise<readonly Finding[]> {
  const tasks = (await knownTasks()).map(({ name }) => name);
  const missing = await inspectRights(nc, tasks, NO_VO);
  if (missing.length === 0) return [good("permissions", "this command's NATS user may do all that Muster needs")];
  if (isOfOneApp(missing)) return [warning("permissions", describeApp(missing, tasks))];
  return missing.map(({ operation, right, isDispensable }) => {
    const what = operation === "publish" ? "publish to" : "subscribe to";
    const text = `this command's NATS user may not ${what} ${right}`;
    return isDispensable
      ? warning("permissions", `${text}; everything works without it, but some things come later or are not shown`)
      : bad("permissions", `${text}; give it that right, if the apps run as this user`);
  });
}
