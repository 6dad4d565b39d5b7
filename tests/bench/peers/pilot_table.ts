import pg from "pg";
import { randomUUID } from "node:crypto";
import type { Submissions } from "../actors/pilot_verbs.ts";

const VO = "vo1";

/** A submission as a peer's queue has it. The id stays the same when the peer runs it again. */
export interface PilotJob {
  readonly ceName: string;
  readonly taskId: string;
}

/** The jobs of a load. CEs come in turn. */
export function pilotJobs({ count, ceNames }: Submissions): PilotJob[] {
  return Array.from({ length: count }, (_, number) => ({
    ceName: ceNames[number % ceNames.length] ?? "",
    taskId: randomUUID(),
  }));
}

export interface PilotTable {
  /** Submits a pilot. One statement is a transaction of its own, so this costs one round trip. */
  submit(statement: string, job: PilotJob): Promise<void>;
  close(): Promise<void>;
}

/** Opens the table of pilots, with as many connections as jobs run at the same time. */
export function openPilotTable(connectionString: string, connections: number): PilotTable {
  const pool = new pg.Pool({ connectionString, max: connections });
  return {
    async submit(text, { ceName, taskId }) {
      // Its plan is kept, as with Muster.
      const { rows } = await pool.query({ name: "submit", text, values: [ceName, VO, taskId, Math.random()] });
      if (rows[0]?.pilotId === undefined) throw new Error(`Cannot measure: ${ceName} takes no pilot`);
    },
    close: () => pool.end(),
  };
}
