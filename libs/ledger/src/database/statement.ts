/** A statement of a run's code in a thread, on its way to the connection in the worker's own thread. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** What a thread reads of a statement's result. */
export interface StatementAnswer {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly object[];
}

/** The statement that a thread has sent. Throws `TypeError` for anything else. */
export function statementFrom(question: unknown): Statement {
  if (question instanceof Object && "sql" in question && "parameters" in question) {
    const { sql, parameters } = question;
    if (typeof sql === "string" && Array.isArray(parameters)) return { sql, parameters };
  }
  throw new TypeError(
    "Cannot run what a thread has asked for: it is no statement; give its threads the ledger of this package",
  );
}

/** What writes itself as a text for PostgreSQL, such as an interval of the driver. */
interface WritesItself {
  toPostgres(prepare: (value: unknown) => unknown): unknown;
}

function writesItself(value: object): value is WritesItself {
  return "toPostgres" in value && typeof value.toPostgres === "function";
}

/** A parameter as it crosses to another thread. Objects lose their class there, so each is written as the driver would write it. */
export function crossingParameter(value: unknown): unknown {
  if (value === undefined) return null;
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(crossingParameter);
  return writesItself(value) ? crossingParameter(value.toPostgres(crossingParameter)) : JSON.stringify(value);
}

/** A value of a row as the driver gives it: bytes that have crossed to another thread are a `Buffer` again. */
function arrived(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Array.isArray(value) ? value.map(arrived) : value;
}

/** A row that has crossed to another thread, as the driver gives it. */
export function arrivedRow(row: object): object {
  for (const [name, value] of Object.entries(row)) {
    if (value instanceof Uint8Array || Array.isArray(value)) Reflect.set(row, name, arrived(value));
  }
  return row;
}
