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

/** What the four tasks may call: logic's functions of the same names, inside the run's own transaction. */
export interface PilotDeps {
  submitPilot(order: Omit<PilotOrder, "random">): Promise<Submission>;
  transitionPilotStates(of: { readonly vo: string }): Promise<Transitions>;
  getAvailableCes(to: { readonly vo: string }): Promise<readonly AvailableCe[]>;
  requestPilots(requests: readonly NewPilotRequest[]): Promise<void>;
  getPilotSummary(): Promise<PilotSummary>;
  /** A line in the worker's log. It bears the run's task, id, VO and attempt too. */
  log(message: string, fields: object): void;
}

export interface PilotDepsOptions {
  /** Plays the grid's chance; default `Math.random`. */
  readonly random?: Random;
  /** Default: nobody reads it. */
  readonly log?: PilotDeps["log"];
}

/**
 * Joins the framework's runs to logic: answers what a worker takes as `deps`.
 *
 * The transaction begins with the first call, so a task that never calls has none. Each call ends when the run's signal aborts;
 * what the database is still doing then is ended by the run's roll-back.
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
