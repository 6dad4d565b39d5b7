import { readFileSync } from "node:fs";
import { type AccessField, type NatsAccess, NatsAccessError } from "./nats_access.ts";

/** The content of the file that `field` names. Throws {@linkcode NatsAccessError} with its path and the reason. */
export function readAccessFile(access: NatsAccess, field: AccessField, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be read";
    throw new NatsAccessError(access, field, `the path of a file that can be read (${reason})`);
  }
}
