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
  /** Submits one pilot, unless the CE is full or refuses it. */
  submitPilot(order: Omit<PilotOrder, "random">): Promise<Submission>;
  /** Moves this VO's pilots on to their next states. */
  transitionPilotStates(of: { readonly vo: string }): Promise<Transitions>;
  /** The CEs that take pilots of this VO, with their free slots. */
  getAvailableCes(to: { readonly vo: string }): Promise<readonly AvailableCe[]>;
  /** Notes the pilots for which children were spawned. */
  requestPilots(requests: readonly NewPilotRequest[]): Promise<void>;
  /** The number of pilots in each state. */
  getPilotSummary(): Promise<PilotSummary>;
  /** Writes a line to the worker's log. An app adds the run's task, id, VO and attempt. */
  log(message: string, fields: object): void;
}

/** What a test may put in place of chance and log. */
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
  return ({ transaction, signal }: Pick<DepsInput<Transaction>, "transaction" | "signal">): PilotDeps => {
    function run<Answer>(ask: (within: Transaction) => Promise<Answer>): Promise<Answer> {
      return unlessAborted(signal, async () => ask(await transaction()));
    }
    return {
      submitPilot: (order) => run((within) => submitPilot(within, { ...order, random })),
      transitionPilotStates: ({ vo }) => run((within) => transitionPilotStates(within, { vo, random })),
      getAvailableCes: (to) => run((within) => getAvailableCes(within, to)),
      requestPilots: (requests) => run((within) => requestPilots(within, requests)),
      getPilotSummary: () => run(getPilotSummary),
      log,
    };
  };
}
