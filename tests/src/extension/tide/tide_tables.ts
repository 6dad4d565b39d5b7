import { Migration } from "@mikro-orm/migrations";
import { defineEntity, p } from "@mikro-orm/postgresql";
import type { TableSet, TablesOf } from "@muster/ledger";

/** One reading of the gauge. */
export const Reading = defineEntity({
  name: "Reading",
  tableName: "tide_reading",
  properties: { taskId: p.text().primary(), centimetres: p.integer() },
});

class CreateReading extends Migration {
  override up(): void {
    this.addSql("create table tide_reading (task_id text primary key, centimetres int not null)");
  }
}

const entities = [Reading] as const;
export type TideDb = TablesOf<typeof entities>;

export const tideTables: TableSet = {
  name: "tide",
  entities,
  migrations: [{ name: "0001_reading", class: CreateReading }],
  rights: { tide_reading: ["select", "insert"] },
};
