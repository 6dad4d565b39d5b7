// Tested by libs/ledger/src/database/frequent_statements_test.ts

/** Names by text. `frequent` adds to it, and each connection keeps what it has run under its name. */
const names = new Map<string, string>();

/** Lets connections keep the plan of a statement. Returns its text. Only for texts that stand in the source, as each stays in the server's memory. */
export function frequent(text: string): string {
  if (!names.has(text)) names.set(text, `muster_${names.size + 1}`);
  return text;
}

/** The name under which connections keep this statement; undefined: it is read and planned each time. */
export function nameOf(text: string): string | undefined {
  return names.get(text);
}
