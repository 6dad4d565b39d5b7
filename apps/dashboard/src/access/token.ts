import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Time for which a session lasts, ms. */
const SESSION_MS = 12 * 3_600_000;
/** Greatest length of the name that somebody states, characters. */
const NAME_LENGTH = 64;

/** Who may act, as long as the session lasts. */
export interface Session {
  /** The name that was stated. Nobody has proven it: who knows the token may state any. */
  readonly name: string;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Whether both are the same. The time that it takes tells nothing of where they differ. */
export function isSame(given: string, wanted: string): boolean {
  return timingSafeEqual(digest(given), digest(wanted));
}

function sign(token: string, text: string): string {
  return createHmac("sha256", token).update(text).digest("base64url");
}

/** Makes names fit to be shown and kept: without controls, and not too long. */
export function cleanName(name: string): string {
  const clean = name.replace(/[\u0000-\u001f\u007f-\u009f]/g, "").trim();
  return clean.slice(0, NAME_LENGTH) || "somebody";
}

/** The value of a session's cookie. It is signed by the token, so it counts at every dashboard with this token, and at none without. */
export function printSession(token: string, { name }: Session, nowMs: number): string {
  const content = Buffer.from(
    JSON.stringify({ name: cleanName(name), untilMs: nowMs + SESSION_MS, salt: randomBytes(9).toString("base64url") }),
  );
  const text = content.toString("base64url");
  return `${text}.${sign(token, text)}`;
}

/** Reads a cookie's value; undefined: it is none of ours, or its time is over. */
export function readSession(token: string, value: string, nowMs: number): Session | undefined {
  const [text = "", signature = ""] = value.split(".");
  if (!isSame(signature, sign(token, text))) return undefined;
  const { name, untilMs } = JSON.parse(Buffer.from(text, "base64url").toString());
  return typeof name === "string" && typeof untilMs === "number" && untilMs > nowMs ? { name } : undefined;
}

/** The longest life of a session's cookie, s. */
export const SESSION_SECONDS = SESSION_MS / 1_000;
