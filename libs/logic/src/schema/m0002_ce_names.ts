import { Migration } from "@mikro-orm/migrations";
import * as z from "zod";

const Hosts = z.array(z.object({ names: z.array(z.string()), capacities: z.array(z.number()) }));
type Host = z.infer<typeof Hosts>[number];
const Kept = z.tuple([z.object({ keep: z.string() })]);

/** Quotes a name for a shell where it needs quotes. */
function asWord(name: string): string {
  return /^[A-Za-z0-9._:/@-]+$/.test(name) ? name : JSON.stringify(name);
}

/** Names of CEs differ by case only. They are one host, and only its operator knows which of the rows is right. */
export class CeNamesCollideError extends Error {
  override readonly name = "CeNamesCollideError";
  /** The names of each host. */
  readonly hosts: readonly (readonly string[])[];
  constructor(hosts: readonly Host[]) {
    const describe = ({ names, capacities }: Host) =>
      names.map((name, index) => `${JSON.stringify(name)} (capacity ${capacities[index]})`).join(" and ");
    const keep = hosts.map(({ names: [name = ""] }) => `--keep-ce ${asWord(name)}`).join(" ");
    super(
      `Cannot bring the schema up to date: CEs ${hosts.map(describe).join("; ")} differ by case only, so they are one host; nothing was changed; ` +
        `say which one stays, as in \`muster migrate ${keep}\` or \`muster up ${keep}\`: ` +
        "the others are removed, and their pilots count for the one that stays",
    );
    this.hosts = hosts.map(({ names }) => names);
  }
}

/** Name of the session's setting with the CEs to keep, as a JSON array. */
const KEEP_SETTING = "muster.keep_ces";

/** Settings of a migration that keeps these CEs, of those whose names differ by case only. */
export function keepCes(names: readonly string[]): Readonly<Record<string, string>> {
  return { [KEEP_SETTING]: JSON.stringify(names) };
}

/**
 * Writes the names of CEs in lower case and keeps them so (decision 46).
 *
 * Throws {@linkcode CeNamesCollideError} where names differ by case only, unless the session says which of them stays.
 */
export class LowerCeNames extends Migration {
  override async up(): Promise<void> {
    // Submissions lock their CE's row. So this waits for those that run, and later ones see the new name.
    await this.execute("lock table compute_element in exclusive mode");
    await this.#removeDoubles();
    this.addSql(`update compute_element set name = lower(name collate "C") where name <> lower(name collate "C")`);
    this.addSql(`update pilot set ce_name = lower(ce_name collate "C") where ce_name <> lower(ce_name collate "C")`);
    this.addSql(
      `update pilot_request set ce_name = lower(ce_name collate "C") where ce_name <> lower(ce_name collate "C")`,
    );
    // Together with the primary key, this refuses two names that differ by case only.
    this.addSql(
      `alter table compute_element add constraint compute_element_name_check check (name = lower(name collate "C"))`,
    );
  }

  async #removeDoubles(): Promise<void> {
    const found = await this.execute(`
      select array_agg(name order by name) as names, array_agg(capacity order by name) as capacities from compute_element
      group by lower(name collate "C") having count(*) > 1 order by min(name)`);
    const hosts = Hosts.parse(found);
    if (hosts.length === 0) return;
    const setting = `select coalesce(nullif(current_setting('${KEEP_SETTING}', true), ''), '[]') as keep`;
    const [{ keep: json }] = Kept.parse(await this.execute(setting));
    const keep: readonly string[] = JSON.parse(json);
    const open = hosts.filter(({ names }) => names.filter((name) => keep.includes(name)).length !== 1);
    if (open.length > 0) throw new CeNamesCollideError(open);
    for (const name of hosts.flatMap(({ names }) => names)) {
      if (!keep.includes(name)) await this.execute("delete from compute_element where name = ?", [name]);
    }
  }
}
