import { createOutcomeTally, type Database, migrate, openDatabase, type OutcomeTally } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { Client } from "pg";
import type { Bench } from "../run/bench.ts";

/** CEs and VOs of the database, and how far back its pilots and outcomes reach. */
export const CES = Array.from({ length: 10 }, (_, number) => `ce${number}.example.org`);
export const VOS = Array.from({ length: 10 }, (_, number) => `vo${number}`);
const REACH = "interval '29 days'";
/** Rows that one statement inserts. */
const PIECE = 1_000_000;
/** Least number of outcomes. */
const FEW_OUTCOMES = 10_000;

/** A database with the pilots and outcomes of a long time. */
export interface YearOfData extends AsyncDisposable {
  readonly ended: number;
  readonly database: Database;
  readonly tally: OutcomeTally;
}

/** The id of the n-th child of a submit round: ids grow with time but for their ends. */
const ID =
  "'MySubmitPilotsTask.vo' || n / 10 % 10 || '/' || lpad((n / 100)::text, 12, '0') || '/' || left(md5(n::text), 22)";

function settledAt(count: number): string {
  return `now() - ${REACH} * (1 - n / ${count}.0) - interval '20 minutes'`;
}

async function insertPieces(client: Client, count: number, insert: (rows: string) => string): Promise<void> {
  for (let from = 0; from < count; from += PIECE) {
    await client.query(insert(`generate_series(${from}, ${Math.min(from + PIECE, count) - 1}) n`));
  }
}

/** Fills the tables as `ended` pilots would have, of which one in ten failed. */
async function fill(client: Client, ended: number): Promise<void> {
  const outcomes = Math.max(FEW_OUTCOMES, ended / 2);
  // The trigger would count each row by itself.
  await client.query("alter table pilot disable trigger user");
  await insertPieces(
    client,
    ended,
    (rows) => `
      insert into pilot (ce_name, vo, status, submitted_at, updated_at, task_id, active_before, capacity_read)
      select 'ce' || n % 10 || '.example.org', 'vo' || n / 10 % 10, case n % 10 when 9 then 'FAILED' else 'DONE' end,
        ${settledAt(ended)}, ${settledAt(ended)} + interval '5 minutes', ${ID}, 3, 100
      from ${rows}`,
  );
  await client.query("alter table pilot enable trigger user");
  await client.query(
    "insert into pilot_ended (ce_name, vo, status, count) select ce_name, vo, status, count(*) from pilot group by 1, 2, 3",
  );
  await insertPieces(
    client,
    outcomes,
    (rows) => `
      insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, settled_at, published_at)
      select ${ID}, 'MyPilotTask', 'vo' || n / 10 % 10, md5(n::text) || md5(n::text), 1,
        case n % 20 when 0 then 'dropped' else 'done' end, '{"kind":"submitted","pilotId":4711}', '[]', '[]',
        ${settledAt(outcomes)}, now()
      from ${rows}`,
  );
  // As autovacuum would have done meanwhile.
  await client.query("vacuum analyze");
  await client.query("checkpoint");
}

/**
 * Opens a database of its own with `ended` pilots. Its commits do not wait for the disk: that wait is the same for all sizes, and would hide
 * what grows.
 */
export async function openYear({ servers, progress }: Bench, ended: number): Promise<YearOfData> {
  const url = new URL(await servers.database("ended"));
  await migrate(url.href, { tables: [pilotTables] });
  progress(`filling a database with ${ended.toLocaleString("en")} ended pilots`);
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    const ces = CES.map((name) => `('${name}', 1000000, 0.9)`).join(", ");
    await client.query(`insert into compute_element (name, capacity, success_rate) values ${ces}`);
    await fill(client, ended);
  } finally {
    await client.end();
  }
  url.searchParams.set("options", "-c synchronous_commit=off");
  const database = await openDatabase({ url: url.href, tables: [pilotTables], poolSize: 2 });
  const tally = createOutcomeTally();
  await database.transaction((transaction) => tally.read(transaction));
  return { ended, database, tally, [Symbol.asyncDispose]: () => database.close() };
}
