import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addToCache, type CachedProgram } from "./cache.ts";
import { findOnPath, run } from "./run.ts";
import type { Errand } from "./source.ts";

/** Debian's newest suite: the stable ones carry a nats-server that is too old. */
const SUITE = "sid";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LIST_FOLDER = "/etc/apt/sources.list.d";

/** The mirrors among this machine's source files, for a machine that has never run `apt-get update`. */
async function mirrorsOfSourceFiles(): Promise<string[]> {
  const files = ["/etc/apt/sources.list"];
  const more = await readdir(LIST_FOLDER).catch(() => []);
  for (const name of more) if (/\.(list|sources)$/.test(name)) files.push(join(LIST_FOLDER, name));
  const mirrors: string[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => ""); // a machine has one style of file or the other
    for (const [uri] of text.matchAll(/\bhttps?:\/\/\S+\/debian\/?(?=\s|$)/gm)) mirrors.push(uri);
  }
  return mirrors;
}

async function findMirror(): Promise<string> {
  const listed = await run(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"],
    { timeoutMs: 10_000 },
  );
  const mirror = listed.split("\n").find((line) => line.length > 0) ?? (await mirrorsOfSourceFiles())[0];
  if (mirror === undefined) throw new Error("this machine's apt knows no Debian mirror");
  return mirror;
}

/** Options that keep apt's lists, sources and cache in `folder`, so that the machine's own stay as they are. */
async function privateOptions(folder: string, mirror: string): Promise<string[]> {
  for (const name of ["lists/partial", "archives/partial"]) await mkdir(join(folder, name), { recursive: true });
  const sourceList = join(folder, "sources.list");
  await writeFile(sourceList, `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  const settings = {
    "Dir::Etc::sourcelist": sourceList,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": folder,
    "Dir::Cache::archives": join(folder, "archives"),
    "Acquire::Languages": "none",
    "Acquire::http::Timeout": "10",
    "Acquire::Retries": "1",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    // Without this a list that cannot be fetched is a warning, and the machine's trouble shows up as a missing package.
    "APT::Update::Error-Mode": "any",
    // As root, apt would fetch as a user who may not enter our folder.
    "APT::Sandbox::User": "",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

/**
 * Takes the server from Debian's newest suite: apt checks the archive's signature, and the package is unpacked, not installed.
 * Throws why it cannot, in one line.
 */
export async function fromApt({ cache, progress, signal }: Errand, program: CachedProgram): Promise<string> {
  for (const tool of ["apt-get", "dpkg"]) {
    if ((await findOnPath(tool)) === undefined) throw new Error(`there is no ${tool} on this machine`);
  }
  await access(KEYRING).catch((cause) => {
    throw new Error(`there is no ${KEYRING} to check signatures with`, { cause });
  });
  const mirror = await findMirror();
  progress(`nats-server: taking it from Debian ${SUITE} at ${mirror}, which changes nothing on this machine`);
  return await addToCache(cache, program, async (scratch) => {
    const options = await privateOptions(scratch, mirror);
    await run("apt-get", [...options, "update"], { timeoutMs: 120_000, cwd: scratch, signal });
    await run("apt-get", [...options, "download", "nats-server"], { timeoutMs: 120_000, cwd: scratch, signal });
    const [archive] = (await readdir(scratch)).filter((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get downloaded no package");
    await run("dpkg", ["-x", archive, "unpacked"], { timeoutMs: 30_000, cwd: scratch, signal });
    return join(scratch, "unpacked/usr/sbin/nats-server");
  });
}
