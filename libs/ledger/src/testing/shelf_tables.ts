import { Migration } from "@mikro-orm/migrations";
import { defineEntity, p } from "@mikro-orm/postgresql";
import type { TableSet } from "../schema/table_set.ts";

/** A table that stands for the effects of a task. */
export const Shelf = defineEntity({
  name: "Shelf",
  tableName: "shelf",
  properties: {
    name: p.text().primary(),
    books: p.integer(),
    labels: p.array().columnType("text[]").nullable(),
    madeAt: p.datetime().defaultRaw("now()"),
  },
});

class CreateShelf extends Migration {
  override up(): void {
    this.addSql(
      "create table shelf (name text primary key, books int not null, made_at timestamptz not null default now())",
    );
  }
}

class AddLabels extends Migration {
  override up(): void {
    this.addSql("alter table shelf add column labels text[] null");
  }
}

/**
 * A set as another package brings it. Its first migration has the same name as the ledger's first one, which is
 * allowed.
 */
export const shelfTables: TableSet = {
  name: "shelf",
  entities: [Shelf],
  migrations: [
    { name: "0001_tables", class: CreateShelf },
    { name: "0002_labels", class: AddLabels },
  ],
  rights: { shelf: ["select", "insert"] },
};

/** Puts up a shelf. */
export const putShelf = (name: string) => `insert into shelf (name, books) values ('${name}', 0)`;
