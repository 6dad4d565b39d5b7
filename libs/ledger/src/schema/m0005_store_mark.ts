import { Migration } from "@mikro-orm/migrations";

/** Adds the table that tells whether NATS or the database was restored to an earlier state (decision 87). */
export class AddStoreMark extends Migration {
  override up(): void {
    this.addSql(`
      create table store_mark (
        name text primary key,
        number bigint not null,
        positions json not null,
        locks_revision bigint not null,
        marked_at timestamptz not null default now()
      )`);
  }
}
