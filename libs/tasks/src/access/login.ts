// Tested by tests/src/access/login_test.ts
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/nats-core";
import { type AccessField, type NatsAccess, NatsAccessError, nameOf } from "./nats_access.ts";
import { readAccessFile } from "./read_access_file.ts";
import type { UrlLogin } from "./servers.ts";

/** How we log in. */
export interface Login {
  readonly authenticators: Authenticator[];
  /** The user as an operator knows it, without secrets: `user "ops" (NATS_USER)`; undefined: no setting names one. */
  readonly who: string | undefined;
}

/** One way to log in. */
interface Way {
  readonly field: AccessField;
  readonly who: string;
  /** Reads what it needs. Throws where that is not what it should be. */
  make(): Authenticator;
}

const NKEY_SEED = /^\s*(SU[A-Z2-7]{56})\s*$/m;
/** A text to sign, for trying out a key. */
const SOME_NONCE = "some nonce";

function byNkey(access: NatsAccess, field: AccessField, text: string): Authenticator {
  const seed = NKEY_SEED.exec(text)?.[1];
  if (seed === undefined)
    throw new NatsAccessError(access, field, "the seed of a user's nkey, which begins with SU: none is there");
  return tried(access, field, nkeyAuthenticator(Buffer.from(seed)));
}

function byCreds(access: NatsAccess, field: AccessField, text: Uint8Array): Authenticator {
  return tried(access, field, credsAuthenticator(text));
}

/** An authenticator that has worked once, so that no error in its files shows first during a reconnect. */
function tried(access: NatsAccess, field: AccessField, authenticator: Authenticator): Authenticator {
  try {
    authenticator(SOME_NONCE);
    return authenticator;
  } catch {
    // The error may quote what it could not read.
    throw new NatsAccessError(access, field, "credentials with a user's JWT and nkey seed: it holds none");
  }
}

/** Reads its files again at each reconnect, since credentials are renewed. Where that fails, the last good ones are used. */
function fresh(make: () => Authenticator): Authenticator {
  let last = make();
  return (nonce) => {
    try {
      last = make();
    } catch {
      // The file is being written at this moment, or is gone. The server judges the old one. An error here would close the connection for
      // good.
    }
    return last(nonce);
  };
}

/**
 * Reads the password from its file, without the ends of lines behind it; none where no file is named. An empty file is being written, or
 * was made by a mistake: throws {@linkcode NatsAccessError}.
 */
function readPassword(access: NatsAccess, file: string | undefined): string {
  if (file === undefined) return "";
  const password = readAccessFile(access, "passwordFile", file)
    .toString("utf8")
    .replace(/[\r\n]+$/, "");
  if (password === "") throw new NatsAccessError(access, "passwordFile", "a file with a password: it is empty");
  return password;
}

function waysOf(access: NatsAccess, login: UrlLogin): readonly Way[] {
  const ways: Way[] = [];
  const { nkeyFile, nkeySeed, credsFile, creds, jwt, passwordFile } = access;
  const { user, password } = login;
  const from = (field: AccessField) => nameOf(access, field);
  if (user !== undefined) {
    const source = access.user === undefined ? from("url") : from("user");
    const make = () => usernamePasswordAuthenticator(user, password ?? readPassword(access, passwordFile));
    ways.push({
      field: access.user === undefined ? "url" : "user",
      who: `user ${JSON.stringify(user)} (${source})`,
      make,
    });
  }
  if (nkeyFile !== undefined) {
    const make = () => byNkey(access, "nkeyFile", readAccessFile(access, "nkeyFile", nkeyFile).toString("utf8"));
    ways.push({ field: "nkeyFile", who: `the nkey in ${nkeyFile} (${from("nkeyFile")})`, make });
  }
  if (nkeySeed !== undefined) {
    ways.push({
      field: "nkeySeed",
      who: `the nkey of ${from("nkeySeed")}`,
      make: () => byNkey(access, "nkeySeed", nkeySeed),
    });
  }
  if (credsFile !== undefined) {
    const make = () => byCreds(access, "credsFile", readAccessFile(access, "credsFile", credsFile));
    ways.push({ field: "credsFile", who: `the credentials file ${credsFile} (${from("credsFile")})`, make });
  }
  if (creds !== undefined) {
    ways.push({
      field: "creds",
      who: `the credentials of ${from("creds")}`,
      make: () => byCreds(access, "creds", Buffer.from(creds)),
    });
  }
  if (jwt !== undefined) {
    ways.push({ field: "jwt", who: `the JWT of ${from("jwt")}`, make: () => () => ({ jwt }) });
  }
  return ways;
}

/** The login in the URL and in the settings beside it. Throws where they differ. */
function combined(access: NatsAccess, url: UrlLogin | undefined): UrlLogin {
  const { user, password, token } = access;
  for (const field of ["user", "password", "token"] as const) {
    const differs = url?.[field] !== undefined && access[field] !== undefined && url[field] !== access[field];
    if (differs)
      throw new NatsAccessError(
        access,
        field,
        `what the URL of ${nameOf(access, "url")} says too, or nothing: they differ`,
      );
  }
  const given = { ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { password }) };
  const login = { ...url, ...given, ...(token === undefined ? {} : { token }) };
  const { passwordFile } = access;
  if (login.password !== undefined && passwordFile !== undefined) {
    throw new NatsAccessError(access, "passwordFile", `a file in place of ${nameOf(access, "password")}: both are set`);
  }
  if ((login.password !== undefined || passwordFile !== undefined) && login.user === undefined) {
    const field = passwordFile === undefined ? "password" : "passwordFile";
    throw new NatsAccessError(access, field, `a password beside a user: ${nameOf(access, "user")} is not set`);
  }
  return login;
}

/** How to log in with `access`; `url` is the login in its URL. Reads the files once; throws {@linkcode NatsAccessError}. */
export function readLogin(access: NatsAccess, url: UrlLogin | undefined): Login {
  const login = combined(access, url);
  const ways = waysOf(access, login);
  const [way, other] = ways;
  if (way !== undefined && other !== undefined) {
    throw new NatsAccessError(access, other.field, `one way to log in: there is ${way.who} besides`);
  }
  const authenticators: Authenticator[] = [];
  if (way !== undefined) {
    const isRead = way.field === "nkeyFile" || way.field === "credsFile" || access.passwordFile !== undefined;
    authenticators.push(isRead ? fresh(() => way.make()) : way.make());
  }
  const { token } = login;
  if (token !== undefined) authenticators.push(tokenAuthenticator(token));
  const tokenName = access.token === undefined ? nameOf(access, "url") : nameOf(access, "token");
  const who = way?.who ?? (token === undefined ? undefined : `the token of ${tokenName}`);
  return { authenticators, who };
}
