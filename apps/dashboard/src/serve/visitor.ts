import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { Guesses } from "../access/guesses.ts";
import { isSame, printSession, readSession, SESSION_SECONDS } from "../access/token.ts";
import type { Acting } from "../pages/layout.ts";

const SESSION = "muster-session";
const SAID = "muster-said";
/** Longest time for which it is remembered what was just done, s. */
const SAID_SECONDS = 30;
/** Longest sentence that fits into a cookie, characters. */
const SAID_LENGTH = 600;

/** What was done just now. */
export interface Said {
  readonly text: string;
  readonly mood: "plain" | "bad";
}

function isSecure(context: Context): boolean {
  return context.req.url.startsWith("https:") || context.req.header("x-forwarded-proto") === "https";
}

function cookieOptions(context: Context, maxAge: number) {
  return { httpOnly: true, sameSite: "Strict", path: "/", maxAge, secure: isSecure(context) } as const;
}

/** Whether the visitor may act. */
export function actingOf(context: Context, token: string | undefined): Acting {
  if (token === undefined) return { kind: "closed" };
  const value = getCookie(context, SESSION);
  const session = value === undefined ? undefined : readSession(token, value, Date.now());
  return session === undefined ? { kind: "signed out" } : { kind: "signed in", name: session.name };
}

/** The name of a program that brings the token itself; undefined: it brings none, or a wrong one. */
function bearerOf(context: Context, token: string | undefined): string | undefined {
  const [, given] = /^Bearer (.+)$/.exec(context.req.header("authorization") ?? "") ?? [];
  if (token === undefined || given === undefined || !isSame(given, token)) return undefined;
  return context.req.header("muster-who") ?? "a program";
}

/** Like {@linkcode bearerOf}. A wrong token takes time; `full`: so many are tried that this one was not looked at. */
export async function bearerSlowly(
  context: Context,
  token: string | undefined,
  guesses: Guesses,
): Promise<{ readonly name: string } | "full" | undefined> {
  const isGiven = token !== undefined && /^Bearer /.test(context.req.header("authorization") ?? "");
  if (!isGiven) return undefined;
  if (guesses.isFull()) return "full";
  const who = bearerOf(context, token);
  if (who === undefined) await guesses.wrong();
  return who === undefined ? undefined : { name: who };
}

/** Lets the visitor act from now on. */
export function signIn(context: Context, token: string, name: string): void {
  setCookie(context, SESSION, printSession(token, { name }, Date.now()), cookieOptions(context, SESSION_SECONDS));
}

/** Ends the session. */
export function signOut(context: Context): void {
  deleteCookie(context, SESSION, { path: "/" });
}

/** Remembers what was done until the next page shows it. */
export function say(context: Context, { text, mood }: Said): void {
  const value = JSON.stringify({ text: text.slice(0, SAID_LENGTH), mood });
  setCookie(context, SAID, Buffer.from(value).toString("base64url"), cookieOptions(context, SAID_SECONDS));
}

/** What was done just now; it is told once. */
export function takeSaid(context: Context): Said | undefined {
  const value = getCookie(context, SAID);
  if (value === undefined) return undefined;
  deleteCookie(context, SAID, { path: "/" });
  try {
    const { text, mood } = JSON.parse(Buffer.from(value, "base64url").toString());
    return typeof text === "string" ? { text, mood: mood === "bad" ? "bad" : "plain" } : undefined;
  } catch {
    return undefined; // not ours
  }
}
