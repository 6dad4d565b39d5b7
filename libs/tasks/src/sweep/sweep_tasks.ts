// Tested by libs/tasks/src/sweep/sweeper_test.ts
import { namesVos } from "../configuration/configuration.ts";
import { TASKS } from "../streams/streams.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { looksAfter, REST } from "../lead/charges.ts";
import { graceLeftMs, isOlderThan, mayJudgeUnknown, reportOlder, withoutUnsure } from "./configuration_trust.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { lookForLeft } from "./left_markers.ts";
import type { PatternSweep } from "./pattern_sweep.ts";
import { putAway } from "./put_away.ts";
import { rawAddress, type SweepLedger } from "./unwanted.ts";
import { LedgerSilentError } from "./record_end.ts";
import type { SweepContext } from "./sweep_context.ts";
import { nextStored, purgeStored, type Stored } from "../broker/stored_messages.ts";
import {
  isMarkerWanted,
  judgeTaskSubject,
  problemOfSubject,
  type SweepRules,
  type SweepVerdict,
} from "./sweep_verdict.ts";
import { listUnknownTasks } from "./unknown_tasks.ts";
import { untilWorkersShownMs } from "../presence/workers_shown.ts";

/** Greatest number of messages put away in one pass, of one subject and of all. */
const OF_ONE_SUBJECT = 500;
const OF_ALL = 2_000;
const AT_ONCE = 32;
/**
 * Greatest number of messages put away at the same time that the ledger must hear of first. The scheduler has few connections to the
 * database.
 */
const RECORDED_AT_ONCE = 4;
/** Delay of the next pass where this one has not put everything away, ms. The schedules go on meanwhile. */
const MORE_MS = 250;
/** Greatest number of markers in one pass whose predecessors are deleted. */
const CLEARED = 2_000;
const CLEARED_AT_ONCE = 16;
/** Greatest number of unknown names that are reported one by one, and of VOs that are named for each. */
const TOLD_BY_NAME = 20;

type Ending = Extract<SweepVerdict, { readonly reason: string }>;

interface Sweepable {
  readonly subject: string;
  readonly verdict: Ending;
}

/** The subject's oldest messages, up to `limit`. Of an unknown VO only those that are old enough, and the time until the next one is. */
async function gather(
  { broker, clock, configuration, report }: SweepContext,
  subject: string,
  { verdict, limit }: { readonly verdict: Ending; readonly limit: number },
): Promise<{ readonly found: readonly Stored[]; readonly againMs: number }> {
  const found: Stored[] = [];
  for (let from = 1; found.length < limit; ) {
    const stored = await nextStored(broker.jsm, TASKS, { from, subject });
    if (stored === null) return { found, againMs: Number.POSITIVE_INFINITY };
    if (verdict.kind === "unknown vo") {
      const youngForMs = graceLeftMs(configuration.found, stored.time, clock.now());
      if (youngForMs > 0) return { found, againMs: youngForMs };
      if (isOlderThan(configuration.found, stored.time)) {
        // The subject's younger messages wait too: their VO was there before.
        reportOlder(report, subject, stored.time);
        return { found, againMs: Number.POSITIVE_INFINITY };
      }
    }
    found.push(stored);
    from = stored.seq + 1;
  }
  return { found, againMs: MORE_MS };
}

/**
 * The ledger that must hear first of the messages on `subject`, since a worker may have them in hand; undefined: no ledger need hear.
 *
 * A task that this scheduler does not know may be one whose effect is once.
 */
function custodyOf({ tasks, ledger }: SweepContext, subject: string): SweepLedger | undefined | "left alone" {
  if (problemOfSubject(subject) !== undefined) return undefined;
  const { task } = rawAddress(subject);
  const effect = tasks.find(({ name }) => name === task)?.effect ?? "once";
  return effect === "once" ? (ledger ?? "left alone") : undefined;
}

/** What the subjects of one pass share. */
interface Pass {
  readonly rules: SweepRules;
  /** Greatest number of messages of one subject. */
  readonly limit: number;
  /** Why the ledger did not answer. Set by the first subject that meets it. The others then do not ask: each message would wait as long. */
  ledgerSilence?: LedgerSilentError;
}

/** Puts away up to `limit` messages of one subject. Returns the delay of the next pass, ms. */
async function sweepSubject(context: SweepContext, { subject, verdict }: Sweepable, pass: Pass): Promise<number> {
  const { broker, worker, report } = context;
  // Earlier subjects may have taken long, and the VO may have been added again meanwhile.
  const { current: configuration } = context.configuration;
  if (judgeTaskSubject(subject, { ...pass.rules, configuration }).kind !== verdict.kind) return MORE_MS;
  const custody = custodyOf(context, subject);
  if (custody === "left alone") {
    report.note(`unswept ${subject}`, `Messages on ${subject} stay: a scheduler with a database must put them away`, {
      subject,
      reason: verdict.reason,
    });
    return Number.POSITIVE_INFINITY;
  }
  if (custody !== undefined && pass.ledgerSilence !== undefined) return Number.POSITIVE_INFINITY;
  const { found, againMs } = await gather(context, subject, { verdict, limit: pass.limit });
  const end = verdict.kind === "drop" ? "dropped" : "dead";
  const { reason } = verdict;
  const address = rawAddress(subject);
  const put = async (stored: Stored): Promise<boolean> => {
    if (custody !== undefined && pass.ledgerSilence !== undefined) return false;
    try {
      await putAway(broker, worker, { stream: TASKS, stored, end, reason, ...address, ledger: custody });
      return true;
    } catch (error) {
      if (!(error instanceof LedgerSilentError)) throw error;
      pass.ledgerSilence = error;
      return false;
    }
  };
  const away = (await inParallel(found, custody === undefined ? AT_ONCE : RECORDED_AT_ONCE, put)).filter(Boolean);
  if (away.length > 0) {
    const what = end === "dead" ? "became dead letters" : "were dropped";
    report.note(`swept ${subject}`, `Messages on ${subject} ${what}: ${reason}`, { subject, count: away.length });
  }
  if (custody === undefined || pass.ledgerSilence === undefined) return againMs;
  report.alarm("sweep ledger", "Cannot put messages away: the database does not answer; they stay until it does", {
    subject,
    cause: pass.ledgerSilence,
  });
  return Number.POSITIVE_INFINITY;
}

/** Reports tasks that neither this scheduler nor a running worker knows: the first names one by one, the others together. */
async function reportUnknown({ broker, tasks, report, charges }: SweepContext): Promise<void> {
  // Workers that have not shown themselves yet may know them.
  if ((await untilWorkersShownMs(broker)) > 0) return;
  const unknown = await listUnknownTasks(broker, [...tasks.map(({ name }) => name), ...charges.elsewhere]);
  for (const { task, vos, count, oldestAt } of unknown.slice(0, TOLD_BY_NAME)) {
    const since = oldestAt === null ? "" : ` since ${oldestAt.toISOString()}`;
    const whose = vos.length === 1 ? `VO ${vos[0]}` : `${vos.length} VOs`;
    report.alarm(`unknown ${task}`, `No running worker knows ${task}: ${count} of ${whose} wait${since}`, {
      ...{ task, count, since: oldestAt },
      vos: vos.slice(0, TOLD_BY_NAME),
    });
  }
  const others = unknown.slice(TOLD_BY_NAME);
  if (others.length === 0) return;
  const count = others.reduce((sum, each) => sum + each.count, 0);
  report.alarm("unknown others", `No running worker knows ${others.length} more names: ${count} tasks of them wait`, {
    count,
    names: others.slice(0, TOLD_BY_NAME).map(({ task }) => task),
  });
}

/** Deletes markers of schedules that nobody has, and of the others all but the newest. */
async function clearMarkers(
  context: SweepContext,
  counts: readonly (readonly [string, number])[],
  rules: SweepRules,
): Promise<void> {
  const { broker } = context;
  // There may be ten thousand, so each is judged once.
  const wanted: (readonly [string, number])[] = [];
  const others: (readonly [string, number])[] = [];
  for (const one of counts) (isMarkerWanted(one[0], rules) ? wanted : others).push(one);
  const unwanted = await withoutUnsure(context, others, rules);
  const old = wanted.filter(([, count]) => count > 1);
  const cleared = [
    ...unwanted.map(([subject]) => ({ subject, keep: 0 })),
    ...old.sort(([, a], [, b]) => b - a).map(([subject]) => ({ subject, keep: 1 })),
  ];
  await inParallel(cleared.slice(0, CLEARED), CLEARED_AT_ONCE, (purge) => purgeStored(broker, TASKS, purge));
  const subjects = wanted.map(([subject]) => subject);
  await lookForLeft(context, subjects, rules);
}

/**
 * Looks at all of TASKS once, and puts away a bounded number of messages. Returns the delay of the next look, ms.
 *
 * The subjects are listed before the configuration is read. So a task for a VO that was just added is judged by a configuration that has
 * it.
 */
export async function sweepTasks(context: SweepContext, patterns: PatternSweep): Promise<number> {
  const { broker, configuration, report } = context;
  const { state } = await broker.jsm.streams.info(TASKS, { subjects_filter: ">" });
  const all = Object.entries(state.subjects ?? {});
  const literal = all.filter(([subject]) => isLiteralSubject(subject));
  const counts = literal.filter(([subject]) => looksAfter(context.charges, rawAddress(subject).task));
  const rules: SweepRules = {
    configuration: await configuration.refresh(),
    tasks: new Map(context.tasks.map((task) => [task.name, task])),
  };
  const subjects = counts.map(([subject]) => subject).filter((subject) => !subject.startsWith("markers."));
  const judged = subjects.map((subject) => ({ subject, verdict: judgeTaskSubject(subject, rules) }));
  if (judged.some(({ verdict }) => verdict.kind === "unknown task")) await reportUnknown(context);

  const hasVos = namesVos(rules.configuration);
  const mayJudge = mayJudgeUnknown(configuration.found);
  if (hasVos)
    await clearMarkers(
      context,
      counts.filter(([subject]) => subject.startsWith("markers.")),
      rules,
    );
  const unsure = mayJudge ? 0 : judged.filter(({ verdict }) => verdict.kind === "unknown vo").length;
  if (unsure > 0) {
    // A lost configuration is more likely than tasks for VOs that never existed. Judging by it would throw away all work.
    const why =
      configuration.found.problem?.text ?? "The configuration knows no VO; add those there are with `muster vo add`";
    report.alarm("unsure vos", `${why}. Tasks of VOs that are not known are left alone until then`, {
      subjects: unsure,
    });
  }
  const sweepable = judged.filter(
    (one): one is Sweepable => "reason" in one.verdict && (mayJudge || one.verdict.kind !== "unknown vo"),
  );
  // Each subject has its share, so that 100,000 messages on one do not delay the others.
  const limit = Math.max(1, Math.min(OF_ONE_SUBJECT, Math.floor(OF_ALL / sweepable.length)));
  let againMs = Number.POSITIVE_INFINITY;
  const pass: Pass = { rules, limit };
  for (const one of sweepable) againMs = Math.min(againMs, await sweepSubject(context, one, pass));
  // A subject that is a pattern may mean several tasks.
  if (!context.charges.led.has(REST)) return againMs;
  // Last, since the walk may take long.
  const { first_seq: firstSequence, last_seq: lastSequence } = state;
  return Math.min(againMs, await patterns.pass({ firstSequence, lastSequence, some: literal.length < all.length }));
}
