import { access } from "node:fs/promises";
import { join } from "node:path";
import { openCache } from "./cache.ts";
import { fromGo } from "./go_install.ts";
import { findOnPath, run } from "./run.ts";
import { obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

const PROGRAM = "nats";
// v0.5.1 cannot be installed this way.
const GO_COMMAND = { name: PROGRAM, module: "github.com/nats-io/natscli/nats@v0.5.0" };

/** The `nats` command line, or why there is none. */
export type NatsCli = { readonly path: string } | { readonly path: undefined; readonly refusals: readonly Refusal[] };

async function checked(binary: string | undefined): Promise<string> {
  if (binary === undefined) throw new Error("it is not there");
  await access(binary).catch((cause) => {
    throw new Error("nothing there yet", { cause });
  });
  await run(binary, ["--version"], { timeoutMs: 10_000 });
  return binary;
}

/** Finds the `nats` command line on PATH or in the cache, or builds it where Go is. Tests publish with it; nothing else needs it. */
export async function provisionNatsCli(progress: Progress): Promise<NatsCli> {
  const cache = await openCache();
  const sources: Source[] = [
    { name: "PATH", obtain: async () => await checked(await findOnPath(PROGRAM)) },
    { name: `the cache ${cache}`, obtain: () => checked(join(cache, PROGRAM)) },
    { name: "Go", obtain: async (tell) => await checked(await fromGo(cache, GO_COMMAND, tell)) },
  ];
  const found = await obtainFirst(PROGRAM, sources, progress);
  return typeof found === "string" ? { path: found } : { path: undefined, refusals: found };
}
