import { decodeConfiguration, MAX_CONFIGURATION_BYTES } from "@muster/app/configuration";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { UsageError } from "../run/failure.ts";

/** How a problem names what comes on standard input. */
const STANDARD_INPUT = "standard input";

/** The name of a file in messages. */
export function nameOfFile(path: string): string {
  return path === "-" ? STANDARD_INPUT : path;
}

function describeFailed(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "this user may not read it";
  return error instanceof Error ? error.message : String(error);
}

/** Reads at most a byte more than is allowed, so that neither a device nor a pipe without an end is read for ever. */
async function readBytes(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const stream = path === "-" ? process.stdin : createReadStream(path);
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    if (length > MAX_CONFIGURATION_BYTES)
      throw new Error(`it has more than ${MAX_CONFIGURATION_BYTES.toLocaleString("en")} bytes`);
  }
  return Buffer.concat(chunks);
}

/** Returns the text of a file, without a byte order mark; `-` is standard input. Throws {@linkcode UsageError} where it is no text. */
export async function readText(path: string): Promise<string> {
  const name = nameOfFile(path);
  let bytes: Buffer;
  try {
    if (path !== "-" && (await stat(path)).isDirectory()) throw new Error("it is a directory");
    bytes = await readBytes(path);
  } catch (error) {
    throw new UsageError(`Cannot read ${name}: ${describeFailed(error)}; name a YAML file with -f`);
  }
  const decoded = decodeConfiguration(bytes);
  if ("text" in decoded) return decoded.text;
  const { line, column, text } = decoded.problem;
  throw new UsageError(`${name}:${line}:${column}: ${text}`);
}
