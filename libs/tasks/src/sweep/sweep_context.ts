import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import type { LaterWatch } from "../later/later_watch.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import type { Charges } from "../lead/charges.ts";
import type { Reporter } from "../lead/reporter.ts";
import type { LeftSchedules } from "./left_schedules.ts";
import type { SweepLedger } from "./unwanted.ts";

/** What all sweeps of a leader share. */
export interface SweepContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  readonly clock: BrokerClock;
  readonly report: Reporter;
  /** The workers' ledger. Without it a task whose effect is once is left alone, since a worker may have it in hand. */
  readonly ledger?: SweepLedger | undefined;
  /** What this process leads. It looks after those tasks' messages and markers. */
  readonly charges: Charges;
  /** Hears of schedules that were taken away while no scheduler ran. */
  readonly left?: Pick<LeftSchedules, "found" | "forget">;
  /** Hears of each good message in LATER. */
  readonly later?: Pick<LaterWatch, "saw">;
}
