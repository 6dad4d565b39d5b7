import { readFileSync } from "node:fs";

/** The version of this library, read once. */
let version: string | undefined;

/** The version of Muster that this process runs. */
export function ownVersion(): string {
  version ??= String(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
  return version;
}
