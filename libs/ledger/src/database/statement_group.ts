// Tested by libs/ledger/src/database/statement_group_test.ts
import { type Connection, Query, type QueryConfig, type QueryResult, type QueryResultRow, type Submittable } from "pg";
import { sqlStateOf } from "./failures.ts";

/** What `pg` calls on the query whose answer comes. Its types leave it out. */
interface Answered {
  readonly name?: string | undefined;
  readonly text: string;
  readonly _result: { _types: unknown };
  callback: (error: unknown, result?: unknown) => void;
  submit(connection: Connection): unknown;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleEmptyQuery(connection: Connection): void;
  handleCopyInResponse(connection: Connection): void;
  handleCopyData(message: unknown, connection: Connection): void;
  handleError(error: unknown, connection: Connection): void;
  handleReadyForQuery(connection: Connection): void;
}

/** The statements under names whose text is on its way to the server, as `pg` notes them. */
interface NotesSubmitted {
  readonly submittedNamedStatements: Record<string, string>;
}

function isAnswered(query: object): query is Answered {
  return "handleReadyForQuery" in query && "handleCommandComplete" in query && "_result" in query;
}

function notesSubmitted(connection: object): connection is NotesSubmitted {
  return "submittedNamedStatements" in connection;
}

/** PostgreSQL's code for a statement in a transaction in which an earlier one has failed. */
export const IN_FAILED_TRANSACTION = "25P02";

/** The server has not run a statement, since one before it in its group has failed. It is told as the server would tell it. */
class SkippedError extends Error {
  override readonly name = "SkippedError";
  readonly severity = "ERROR";
  readonly code = IN_FAILED_TRANSACTION;
  constructor() {
    super("current transaction is aborted: a statement that was sent together with this one has failed");
  }
}

/** Passes the parsers that `pg` gives to a group on to each of its queries. */
class GroupTypes {
  readonly #queries: readonly Answered[];
  constructor(queries: readonly Answered[]) {
    this.#queries = queries;
  }

  get _types(): unknown {
    return undefined; // so that pg gives them
  }

  set _types(types: unknown) {
    for (const { _result } of this.#queries) _result._types = types;
  }
}

/**
 * Statements that are sent and answered together. The server runs them in order, each with a snapshot of its own, and skips those after one
 * that fails.
 *
 * `pg` by itself has the server answer each: it writes and wakes us as often.
 *
 * States: filling -> submitted -> over. Only this class writes its fields.
 */
export class StatementGroup implements Submittable {
  readonly #queries: Answered[] = [];
  /** Index of the statement whose answer comes next. */
  #at = 0;
  #isSubmitted = false;

  /** Adds a statement before the group is submitted. Returns its answer, or throws what the server reports. */
  add<Row extends QueryResultRow>(statement: QueryConfig): Promise<QueryResult<Row>> {
    const extended = { ...statement, queryMode: "extended" };
    const query: object = new Query(extended);
    if (!isAnswered(query)) throw new TypeError("Cannot send statements together: pg has changed; correct this class");
    this.#queries.push(query);
    return new Promise((resolve, reject) => {
      query.callback = (error, result) => {
        // A query whose values cannot be sent says so while it is submitted. No answer comes for it.
        if (error !== null && !this.#isSubmitted) this.#queries.splice(this.#queries.indexOf(query), 1);
        if (error === null) resolve(result as QueryResult<Row>);
        else reject(error);
      };
    });
  }

  /** The name of the statement whose answer comes, by which `pg` remembers what the server has parsed. */
  get name(): string | undefined {
    return this.#current?.name;
  }

  get text(): string | undefined {
    return this.#current?.text;
  }

  /** How `pg` gives a query the parsers of its client. */
  readonly _result = new GroupTypes(this.#queries);

  submit(connection: Connection): null {
    // Each query ends with a sync, at which the server answers. Only the last one may.
    const quiet: Connection = Object.create(connection, { sync: { value: () => {} } });
    for (const query of [...this.#queries]) {
      const problem = query.submit(quiet);
      if (problem instanceof Error) query.callback(problem);
    }
    this.#isSubmitted = true;
    connection.sync();
    return null;
  }

  handleRowDescription(message: unknown): void {
    this.#current?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.#current?.handleDataRow(message);
  }

  handleCopyInResponse(connection: Connection): void {
    this.#current?.handleCopyInResponse(connection);
  }

  handleCopyData(message: unknown, connection: Connection): void {
    this.#current?.handleCopyData(message, connection);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.#current?.handleCommandComplete(message, connection);
    this.#at++;
  }

  handleEmptyQuery(connection: Connection): void {
    this.#current?.handleEmptyQuery(connection);
    this.#at++;
  }

  /** One statement has failed, or the connection is lost. Nothing else is called afterwards. */
  handleError(error: unknown, connection: Connection): void {
    this.handleReadyForQuery(connection);
    const [failed, ...skipped] = this.#queries.slice(this.#at);
    failed?.handleError(error, connection);
    const isOfServer = sqlStateOf(error) !== undefined;
    for (const query of skipped) {
      if (query.name !== undefined && notesSubmitted(connection))
        delete connection.submittedNamedStatements[query.name];
      query.handleError(isOfServer ? new SkippedError() : error, connection);
    }
  }

  handleReadyForQuery(connection: Connection): void {
    for (const query of this.#queries.slice(0, this.#at)) query.handleReadyForQuery(connection);
  }

  get #current(): Answered | undefined {
    return this.#queries[this.#at];
  }
}
