import {
  type AvailableCe,
  getAvailableCes,
  getPilotSummary,
  type NewPilotRequest,
  type PilotOrder,
  type PilotSummary,
  type Random,
  requestPilots,
  type Submission,
  submitPilot,
  type Transaction,
  type Transitions,
  transitionPilotStates,
} from "@muster/logic";
import type { DepsInput } from "@muster/tasks";
import { unlessAborted } from "./unless_aborted.ts";

/** What the four tasks may call: logic's functions of the same names, in the run's own transaction. */
export interface PilotDeps {
  submitPilot(order: Omit<PilotOrder, "random">): Promise<Submission>;
  transitionPilotStates(of: { readonly vo: string }): Promise<Transitions>;
  getAvailableCes(to: { readonly vo: string }): Promise<readonly AvailableCe[]>;
  requestPilots(requests: readonly NewPilotRequest[]): Promise<void>;
  getPilotSummary(): Promise<PilotSummary>;
  /** Writes a line to the worker's log, with the run's task, id, VO and attempt. */
  log(message: string, fields: object): void;
}

export interface PilotDepsOptions {
  /** Random numbers that stand for the grid's chance; default `Math.random`. */
  readonly random?: Random;
  /** Default: lines are dropped. */
  readonly log?: PilotDeps["log"];
}

/**
 * Joins the framework's runs to logic: returns what a worker takes as `deps`.
 *
 * The transaction begins with the first call, so a task that never calls has none. Each call ends when the run's signal
 * aborts. The run's roll-back then ends what the database is still doing.
 *
 * ```ts
 * await startWorker({ ...options, tasks: [MyPilotTask], ledger: database.ledger, deps: pilotDeps() });
 * ```
 */
export function pilotDeps({ random = Math.random, log = () => {} }: PilotDepsOptions = {}) {
  return ({ transaction, signal, task, taskId, vo, attempt }: DepsInput<Transaction>): PilotDeps => {
    function run<Answer>(ask: (within: Transaction) => Promise<Answer>): Promise<Answer> {
      return unlessAborted(signal, async () => ask(await transaction()));
    }
    return {
      submitPilot: (order) => run((within) => submitPilot(within, { ...order, random })),
      transitionPilotStates: ({ vo }) => run((within) => transitionPilotStates(within, { vo, random })),
      getAvailableCes: (to) => run((within) => getAvailableCes(within, to)),
      requestPilots: (requests) => run((within) => requestPilots(within, requests)),
      getPilotSummary: () => run(getPilotSummary),
      log: (message, fields) => log(message, { ...fields, task, taskId, vo, attempt }),
    };
  };
}
