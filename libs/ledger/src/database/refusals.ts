/** Where connections lead. */
export interface Addressed {
  /** `postgres://user:password@host:port/name`. */
  readonly connectionString: string;
}

/** The parts of an address that may be shown. */
interface ShownAddress {
  readonly user: string;
  readonly place: string;
  readonly database: string;
}

function shown({ connectionString }: Addressed): ShownAddress {
  const { username, host, pathname } = new URL(connectionString);
  const user = decodeURIComponent(username);
  return {
    user: user === "" ? "the user of this process" : `user ${JSON.stringify(user)}`,
    place: host === "" ? "the server" : host,
    database: JSON.stringify(decodeURIComponent(pathname.slice(1))),
  };
}

/** What could not be done, and what to do about it. */
export interface Advice {
  readonly doing: string;
  readonly advice: string;
}

/** What to do where a pooler stands before the server. */
export const POOLER_ADVICE =
  "let DATABASE_URL name PostgreSQL itself and no pooler: each connection begins with its own settings";

/**
 * The advice on a server's refusal of a connection, by its state. Undefined where the server's own text says it best.
 */
export function adviceFor(state: string | undefined, address: Addressed): Advice | undefined {
  const { user, place, database } = shown(address);
  const login = `log in to the database at ${place} as ${user}`;
  switch (state) {
    case "28P01":
      return {
        doing: login,
        advice:
          "correct user and password in DATABASE_URL, or set that password in PostgreSQL (alter role ... password)",
      };
    case "28000":
      return { doing: login, advice: "let that user in there (pg_hba.conf), or name another one in DATABASE_URL" };
    case "3D000":
      return {
        doing: `use database ${database} at ${place}`,
        advice: "create it and run `muster migrate`, or correct its name in DATABASE_URL",
      };
    case "42501":
      return {
        doing: `use database ${database} at ${place} as ${user}`,
        advice: `let that user in (grant connect on database ...), or name another one in DATABASE_URL`,
      };
    // Poolers refuse settings at the start of a connection so; PostgreSQL itself does not.
    case "08P01":
      return { doing: `use the database at ${place}`, advice: POOLER_ADVICE };
    default:
      return undefined;
  }
}

/** The login and the database of a program, in an operator's words. */
export function whoIs(address: Addressed): string {
  return shown(address).user;
}
