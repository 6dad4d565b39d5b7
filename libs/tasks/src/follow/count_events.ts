// Tested by tests/src/worker/operate_test.ts
import type { Broker } from "../broker/broker.ts";
import { headersSince, type Since } from "../broker/count_since.ts";
import type { StepName } from "../connection/observer.ts";
import { eventCount } from "../format/event_lines.ts";
import { stepFilters } from "../format/subject.ts";
import { EVENTS } from "../streams/streams.ts";

/** Number of messages of one stretch of time whose headers are read. */
const READ = 250;
/** Number of stretches into which the time is cut where more messages came. */
const STRETCHES = 4;

/** Messages of a stretch of time. */
interface Sample {
  readonly messages: number;
  /** Number of events in each of the first messages. */
  readonly events: readonly number[];
}

async function sampleSince(broker: Pick<Broker, "nc" | "jsm">, since: Omit<Since, "stream">): Promise<Sample> {
  const { messages, headers } = await headersSince(broker, { ...since, stream: EVENTS }, READ);
  return { messages, events: headers.map(eventCount) };
}

/** Number of events in the stretch from `sample` until `next`. */
function eventsBetween({ messages, events }: Sample, next: Sample | undefined): number {
  const own = Math.max(0, messages - (next?.messages ?? 0));
  const read = events.slice(0, own);
  return read.length === 0 ? own : (read.reduce((sum, count) => sum + count, 0) / read.length) * own;
}

/**
 * Counts the events on `subjects` that were stored at `since` or later. A message may tell several. Up to 250 messages the number is exact.
 * Beyond that it rests on 250 messages of each quarter of the time. Throws when nobody answers.
 */
export async function countEventsSince(
  broker: Pick<Broker, "nc" | "jsm">,
  { subjects, since }: Omit<Since, "stream">,
): Promise<number> {
  const whole = await sampleSince(broker, { subjects, since });
  const samples = [whole];
  const lengthMs = (Date.now() - since.getTime()) / STRETCHES;
  for (let number = 1; number < STRETCHES && whole.events.length < whole.messages; number++) {
    const beginsAt = new Date(since.getTime() + number * lengthMs);
    samples.push(await sampleSince(broker, { subjects, since: beginsAt }));
  }
  return Math.round(samples.reduce((sum, sample, index) => sum + eventsBetween(sample, samples[index + 1]), 0));
}

/**
 * Counts how often tasks made a step at `since` or later, as far as events tell. Where more than 250 messages tell of it, the number rests on a
 * sample. Throws when nobody answers.
 */
export async function countStepsSince(
  broker: Pick<Broker, "nc" | "jsm">,
  { step, since }: { readonly step: StepName; readonly since: Date },
): Promise<number> {
  return await countEventsSince(broker, { subjects: stepFilters(step), since });
}
