import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A secret or the path of a file, in one of the forms that contexts of the `nats` command know. */
export type Reference = { readonly path: string } | { readonly text: string };

/** A reference cannot be followed. The text says what is allowed, and holds no secret. */
export class SecretReferenceError extends Error {
  override readonly name = "SecretReferenceError";
}

const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

function fromEnvironment(name: string, environment: NodeJS.Dict<string>): string {
  const value = environment[name];
  if (value === undefined || value === "")
    throw new SecretReferenceError(`env:// and the name of a variable: ${name} is not set`);
  return value;
}

function fromData(reference: string): string {
  const [, header, payload] = /^data:([^,]*),(.*)$/is.exec(reference) ?? [];
  if (payload === undefined || !header?.split(";").includes("base64")) {
    throw new SecretReferenceError("a data: reference in base64");
  }
  return Buffer.from(payload, "base64").toString("utf8");
}

/**
 * Follows `file://`, `env://` and `data:`. A text without a scheme is a path.
 *
 * Throws {@linkcode SecretReferenceError} for the schemes of programs that Muster does not run: `op://` and `nsc://`.
 */
export function readReference(reference: string, environment: NodeJS.Dict<string>): Reference {
  const scheme = SCHEME.exec(reference)?.[1]?.toLowerCase();
  if (scheme === undefined) return { path: reference };
  if (scheme === "env") return { text: fromEnvironment(reference.slice("env://".length), environment) };
  if (scheme === "data") return { text: fromData(reference) };
  if (scheme !== "file")
    throw new SecretReferenceError(
      `a path, file://, env:// or data:, and not ${scheme}:, which needs a program of its own`,
    );
  try {
    return { path: fileURLToPath(reference) };
  } catch {
    throw new SecretReferenceError("file:// and an absolute path");
  }
}

/**
 * Like {@linkcode readReference}, and reads the file. Returns a text without one of the schemes as it is. Throws also
 * what reading throws.
 */
export function readSecret(text: string, environment: NodeJS.Dict<string>): string {
  if (!/^(file|env|data|op|nsc):/i.test(text)) return text;
  const found = readReference(text, environment);
  if ("text" in found) return found.text.trimEnd();
  try {
    return readFileSync(found.path, "utf8").trimEnd();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be read";
    throw new SecretReferenceError(`a file that can be read: ${found.path} (${code})`);
  }
}
