import { type Database, getOutboxSummary } from "@muster/ledger";
import { count } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

const ABOUT = "outbox";
/** Age from which a task of the outbox waits too long, ms. A scheduler publishes it within a second. */
const LATE_MS = 60_000;

/** Reports tasks that applications have published in transactions, and that nobody publishes or can publish. */
export async function examineOutbox(database: Database): Promise<readonly Finding[]> {
  const { waiting, oldestAt, refused } = await database.transaction(getOutboxSummary);
  const ageMs = oldestAt === null ? 0 : Date.now() - Date.parse(oldestAt);
  const findings: Finding[] = [];
  if (ageMs > LATE_MS) {
    const what = `${count(waiting, "task")} that applications have published wait, the oldest for ${shortly(ageMs)}`;
    findings.push(bad(ABOUT, `${what}: nobody brings them to NATS; start apps/scheduler, and see its log`));
  }
  if (refused > 0) {
    const what = `${count(refused, "task")} cannot be published as they are, and were set aside`;
    findings.push(warning(ABOUT, `${what}; see \`muster outbox list\``));
  }
  return findings.length > 0 ? findings : [good(ABOUT, `${count(waiting, "task")} on the way`)];
}
