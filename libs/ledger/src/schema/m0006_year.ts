import { Migration } from "@mikro-orm/migrations";
import type { LargeIndex } from "./table_set.ts";

export const YEAR_INDEXES: readonly LargeIndex[] = [
  { name: "task_outcome_dead", table: "task_outcome", of: "(settled_at) where outcome = 'dead'" },
];

/**
 * Keeps what is asked again and again from growing with the table (decision 100). Adds an index of the tasks that were given up. Vacuuming no
 * longer waits for a fifth of the table.
 */
export class BoundLooks extends Migration {
  override up(): void {
    this.addSql(`
      alter table task_outcome set (
        autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0.01
      )`);
  }
}
