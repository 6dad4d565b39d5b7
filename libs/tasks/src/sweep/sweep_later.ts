import { boundId } from "../format/delivery.ts";
import { headerOf, MSG_ID, SCHEDULE, SCHEDULE_TARGET, TASK_ID } from "../format/headers.ts";
import { LATER } from "../streams/streams.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { unescapeToken } from "../format/token.ts";
import { putAway } from "./put_away.ts";
import { rawAddress } from "./unwanted.ts";
import { nextMatching, type Stored } from "../broker/stored_messages.ts";
import type { SweepContext } from "./sweep_context.ts";

/** Greatest number of messages in one pass. */
const LOOKED_AT = 2_000;
/** Delay of the next pass where this one has not seen everything, ms. */
const MORE_MS = 500;

/** Why a message on `later.<TaskName>.<vo>.<id>` will never become that task at one time; undefined: it will. */
function problemOf({ subject, header }: Stored): string | undefined {
  if (!isLiteralSubject(subject)) {
    return `its subject ${JSON.stringify(subject)} is a pattern, which would mean other tasks too; name one task, one VO and one id`;
  }
  const time = headerOf(header, SCHEDULE);
  if (time === "") {
    return `it has no ${SCHEDULE} header, so it would lie on later.> for ever; give it a time, or publish to tasks.>`;
  }
  if (!time.startsWith("@at ")) {
    return `its ${SCHEDULE} header ${JSON.stringify(time)} is no single time, so it would come for ever under one id; write @at and a time`;
  }
  const target = headerOf(header, SCHEDULE_TARGET);
  const wanted = `due.${subject.split(".").slice(1, -1).join(".")}`;
  if (target === wanted) return undefined;
  return `its ${SCHEDULE_TARGET} header names ${JSON.stringify(target)}, and its subject ${wanted}; make them agree`;
}

/** The id that the fired message would have had: from its headers, or the last token of its subject. */
function laterTaskId(stored: Stored): string {
  const given = stored.header?.get(TASK_ID) || stored.header?.get(MSG_ID);
  if (given) return boundId(given);
  const last = stored.subject.slice(stored.subject.lastIndexOf(".") + 1);
  try {
    return boundId(unescapeToken(last));
  } catch {
    return boundId(last); // not one of our escapes, so it is part of the name
  }
}

/** Looks at new messages in LATER, for those that will never become a task. */
export interface LaterSweep {
  /** Returns the delay of the next pass, ms. */
  pass(): Promise<number>;
}

export function createLaterSweep(context: SweepContext): LaterSweep {
  const { broker, worker } = context;
  let seen = 0;
  return {
    async pass() {
      const { state } = await broker.jsm.streams.info(LATER);
      // A stream that was declared anew counts from 1 again.
      if (state.last_seq < seen) seen = 0;
      for (let looked = 0; looked < LOOKED_AT && seen < state.last_seq; looked++) {
        const stored = await nextMatching(broker.jsm, LATER, { from: seen + 1, filter: "later.>" });
        if (stored === null) {
          seen = state.last_seq;
          break;
        }
        const problem = problemOf(stored);
        if (problem !== undefined) {
          const { task, vo } = rawAddress(stored.subject.slice(0, stored.subject.lastIndexOf(".")));
          await putAway(broker, worker, {
            stream: LATER,
            stored,
            end: "dead",
            reason: `Cannot delay this task: ${problem}`,
            task,
            vo,
            taskId: laterTaskId(stored),
          });
        } else context.later?.saw(stored);
        seen = stored.seq;
      }
      return seen < state.last_seq ? MORE_MS : Number.POSITIVE_INFINITY;
    },
  };
}
