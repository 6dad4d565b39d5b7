// Tested by tests/src/thread/threads_test.ts
import type { EndedChild } from "../definition/group.ts";
import { payloadVersionOf } from "../format/delivery.ts";
import { ownHeadersOf } from "../format/own_headers.ts";
import type { FailedOutcome } from "../run/fail.ts";
import type { ThreadAnswer, ThreadOrder } from "../run/thread_order.ts";
import { arrive, arriveAll, cross } from "./crossing_error.ts";
import type { Answers, FromTaskThread, Question, ToTaskThread } from "./thread_messages.ts";

/** Number of ends of a group's children that cross at a time. */
const CHILDREN_AT_ONCE = 64;

/** What joins a run with its thread. */
interface RunOptions {
  /** Tells the messages of this run from those of others. */
  readonly number: number;
  readonly order: ThreadOrder;
  /** Whether the thread asks the task's retry policy. */
  readonly asksPolicy: boolean;
  tell(message: ToTaskThread): void;
}

/** A run in a thread, seen from the worker's own thread: it answers what the run asks, and hands on its abort. */
export class RunInThread {
  /** Settles with what the run returned or threw. */
  readonly answer: Promise<ThreadAnswer>;
  readonly #options: RunOptions;
  readonly #end = Promise.withResolvers<ThreadAnswer>();
  /** Walks through the children of a group that have begun and not ended. */
  readonly #walks = new Map<number, AsyncIterator<EndedChild>>();
  #decided: FailedOutcome | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.answer = this.#end.promise;
  }

  /** What the task's own retry policy said. */
  get decided(): FailedOutcome | undefined {
    return this.#decided;
  }

  get task(): string {
    return this.#options.order.definition.name;
  }

  /** Sends the run to its thread, and its abort after it. */
  start(): void {
    const { number, order, asksPolicy, tell } = this.#options;
    const { definition, sent, vo, taskId, attempt, headers, leases, group, maxPayloadBytes, signal } = order;
    tell({
      kind: "run",
      run: {
        ...{ number, sent, vo, taskId, attempt, maxPayloadBytes, asksPolicy },
        task: definition.name,
        payloadVersion: payloadVersionOf(headers),
        headers: ownHeadersOf(headers),
        leases: leases.map(({ key, fencingToken }) => ({ key, fencingToken })),
        group: group && { id: group.id, total: group.total, closed: group.closed },
      },
    });
    signal.addEventListener("abort", this.#abort);
    if (signal.aborted) this.#abort();
  }

  /** Takes a message of the thread. Returns whether the run has ended. */
  hear(message: FromTaskThread): boolean {
    if (message.kind === "ready" || message.number !== this.#options.number) return false;
    const { order } = this.#options;
    if (message.kind === "progress") order.report(message.progress);
    else if (message.kind === "line") order.line(message.level, message.message, arriveAll(message.fields));
    else if (message.kind === "ask") void this.#serve(message.question, message.asked);
    else if (message.kind === "returned") {
      this.#close();
      this.#end.resolve({ result: message.result, spawned: message.spawned });
      return true;
    } else {
      this.#decided = message.decided;
      this.fail(arrive(message.error));
      return true;
    }
    return false;
  }

  /** Ends the run with an error. */
  fail(error: unknown): void {
    this.#close();
    this.#end.reject(error);
  }

  #close(): void {
    this.#options.order.signal.removeEventListener("abort", this.#abort);
    this.#walks.clear();
  }

  readonly #abort = (): void => {
    const { number, order, tell } = this.#options;
    tell({ kind: "abort", number, reason: cross(order.signal.reason) });
  };

  async #serve(question: number, asked: Question): Promise<void> {
    const { tell } = this.#options;
    try {
      tell({ kind: "answer", question, answer: await this.#answerTo(asked) });
    } catch (error) {
      tell({ kind: "refusal", question, error: cross(error) });
    }
  }

  async #answerTo(asked: Question): Promise<Answers[keyof Answers]> {
    const { order } = this.#options;
    switch (asked.of) {
      case "begin":
        await order.begin();
        return null;
      case "ledger":
        return await order.serve(asked.asked);
      case "child":
        return await order.group?.child(asked.key);
      case "children":
        return await this.#nextChildren(asked.walk);
    }
  }

  async #nextChildren(number: number): Promise<readonly EndedChild[]> {
    const { group } = this.#options.order;
    const walk = this.#walks.get(number) ?? group?.children()[Symbol.asyncIterator]();
    if (walk === undefined) return [];
    this.#walks.set(number, walk);
    const ends: EndedChild[] = [];
    while (ends.length < CHILDREN_AT_ONCE) {
      const next = await walk.next();
      if (next.done === true) break;
      ends.push(next.value);
    }
    if (ends.length < CHILDREN_AT_ONCE) this.#walks.set(number, nothing());
    return ends;
  }
}

async function* nothing(): AsyncGenerator<EndedChild> {}
