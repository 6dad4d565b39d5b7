import type { Ledger } from "@muster/tasks";
import type { MsgHdrs, NatsConnection, Payload } from "@nats-io/transport-node";
import { overridden } from "../support/overridden.ts";

/** The steps of a task's end, as they leave a worker: what goes over the wire to NATS, and what is asked of the ledger. */
export type CrashStep =
  | "lock taken"
  | "committed"
  | "recorded"
  | "children remembered"
  | "child published"
  | "children marked"
  | "retry stored"
  | "dead letter stored"
  | "result kept"
  | "key changed"
  | "group listed"
  | "group sealed"
  | "child ended"
  | "group closed"
  | "callback published"
  | "group called"
  | "callback ended"
  | "told"
  | "cancellation noted"
  | "acked"
  | "lock released";

/** Where a process dies: at the arrow before or after the `count`-th time of a step, default the first. */
export interface CrashPoint {
  readonly when: "before" | "after";
  readonly step: CrashStep;
  readonly count?: number;
}

/** Ends the process at `point` by SIGKILL, so that nothing is flushed and nobody says goodbye. */
class Fuse {
  readonly #point: CrashPoint;
  #count = 0;

  constructor(point: CrashPoint) {
    this.#point = point;
  }

  async through<T>(step: CrashStep | undefined, act: () => T | Promise<T>): Promise<T> {
    if (step !== this.#point.step || ++this.#count !== (this.#point.count ?? 1)) return act();
    if (this.#point.when === "before") process.kill(process.pid, "SIGKILL");
    const answer = await act();
    process.kill(process.pid, "SIGKILL");
    return answer;
  }
}

/** The entries of a group. */
const GROUP_STEPS: Readonly<Record<string, CrashStep>> = {
  list: "group listed",
  spec: "group sealed",
  c: "child ended",
  closed: "group closed",
  called: "group called",
  then: "callback ended",
};

/** What a publish to `subject` is, seen from the task's life; undefined: nothing of interest. */
function stepOf(subject: string, data: Payload | undefined, headers: MsgHdrs | undefined): CrashStep | undefined {
  const isPurge = headers?.get("KV-Operation") === "PURGE";
  if (subject.startsWith("$KV.locks.")) return isPurge ? "lock released" : "lock taken";
  if (subject.startsWith("$KV.results.spawned.") && !isPurge) return "children remembered";
  if (subject.startsWith("$KV.results.cancel.")) return "cancellation noted";
  if (subject.startsWith("$KV.results.result.")) return "result kept";
  if (subject.startsWith("$KV.results.group.")) return GROUP_STEPS[subject.split(".")[4] ?? ""];
  if (subject.startsWith("$KV.results.unique.")) return "key changed";
  if (subject.startsWith("tasks.")) return headers?.has("Task-Callback") ? "callback published" : "child published";
  if (subject.startsWith("later.")) return "retry stored";
  if (subject.startsWith("dead.")) return "dead letter stored";
  if (subject.startsWith("events.") && !subject.endsWith(".started")) return "told";
  if (subject.startsWith("$JS.ACK.") && Buffer.from(data ?? "").toString() === "+ACK") return "acked";
  return undefined;
}

type Publish = NatsConnection["publish"];
type Request = NatsConnection["request"];

/** `nc`, on which the process dies at `point`. Everything a worker sends goes through its `publish` and `request`. */
export function fusedConnection(nc: NatsConnection, point: CrashPoint): NatsConnection {
  const fuse = new Fuse(point);
  const publish = (...[subject, data, options]: Parameters<Publish>): void => {
    const step = stepOf(subject, data, options?.headers);
    void fuse.through(step, async () => {
      nc.publish(subject, data, options);
      if (step !== undefined) await nc.flush(); // the server has it, and then we die
    });
  };
  const request = (...[subject, data, options]: Parameters<Request>): ReturnType<Request> => {
    return fuse.through(stepOf(subject, data, options?.headers), () => nc.request(subject, data, options));
  };
  return overridden(nc, { publish, request });
}

/** `ledger`, at which the process dies at `point`. */
export function fusedLedger<Transaction>(ledger: Ledger<Transaction>, point: CrashPoint): Ledger<Transaction> {
  const fuse = new Fuse(point);
  return {
    recall: (taskId) => ledger.recall(taskId),
    classify: (error) => ledger.classify(error),
    record: (row) => fuse.through("recorded", () => ledger.record(row)),
    markPublished: (taskId) => fuse.through("children marked", () => ledger.markPublished(taskId)),
    open(claim) {
      const opened = ledger.open(claim);
      return {
        transaction: () => opened.transaction(),
        commit: (row) => fuse.through("committed", () => opened.commit(row)),
        rollback: () => opened.rollback(),
        keepAwake: () => opened.keepAwake(),
        destroy: () => opened.destroy(),
        gone: () => opened.gone(),
        serve: async (question) => await opened.serve?.(question),
      };
    },
  };
}
