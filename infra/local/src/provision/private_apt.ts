// Tested by hand: it needs a Debian machine and its mirror
import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath, run } from "./run.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LIST_FOLDER = "/etc/apt/sources.list.d";

/** Returns the mirrors in this machine's source files, for a machine that has never run `apt-get update`. */
async function mirrorsOfSourceFiles(): Promise<string[]> {
  const files = ["/etc/apt/sources.list"];
  const more = await readdir(LIST_FOLDER).catch(() => []);
  for (const name of more) if (/\.(list|sources)$/.test(name)) files.push(join(LIST_FOLDER, name));
  const mirrors: string[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => ""); // a machine has only one of the two kinds of file
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

interface Place {
  readonly folder: string;
  readonly suite: string;
  readonly mirror: string;
}

/** Options that keep apt's lists, sources and cache in `folder`. The machine's own stay unchanged. */
async function privateOptions({ folder, suite, mirror }: Place): Promise<string[]> {
  for (const name of ["lists/partial", "archives/partial"]) await mkdir(join(folder, name), { recursive: true });
  const sourceList = join(folder, "sources.list");
  await writeFile(sourceList, `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  const settings = {
    "Dir::Etc::sourcelist": sourceList,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": folder,
    "Dir::Cache::archives": join(folder, "archives"),
    // The folder is ours alone. The machine's own locks, which only root may take, protect nothing here.
    "Debug::NoLocking": "1",
    "Acquire::Languages": "none",
    "Acquire::http::Timeout": "10",
    "Acquire::Retries": "1",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    // Without this a list that cannot be fetched is only a warning. The error would then be a missing package.
    "APT::Update::Error-Mode": "any",
    // Run by root, apt would fetch as a user who may not enter our folder.
    "APT::Sandbox::User": "",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

export interface PrivateAptOptions {
  /** Folder for all that apt writes, and for unpacked packages. Made if it is missing. */
  readonly folder: string;
  /** Debian's suite, or the name of a release, e.g. `sid`. */
  readonly suite: string;
  readonly progress: (mirror: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** An apt that changes nothing on this machine. It downloads packages, checks their signatures, and unpacks them without installing. */
export interface PrivateApt {
  /** Unpacks only these packages. Returns the folder that stands for `/`. */
  unpack(packages: readonly string[]): Promise<string>;
  /** Unpacks these packages, and those that they need and this machine does not have. */
  unpackWithNeeds(packages: readonly string[]): Promise<string>;
}

/** Fetches the suite's lists. Throws the reason in one line where this fails. */
export async function openPrivateApt({ folder, suite, progress, signal }: PrivateAptOptions): Promise<PrivateApt> {
  for (const tool of ["apt-get", "dpkg"]) {
    if ((await findOnPath(tool)) === undefined) throw new Error(`there is no ${tool} on this machine`);
  }
  await access(KEYRING).catch((cause) => {
    throw new Error(`there is no ${KEYRING} to check signatures with`, { cause });
  });
  const mirror = await findMirror();
  progress(mirror);
  const options = await privateOptions({ folder, suite, mirror });
  const apt = (...args: string[]) => run("apt-get", [...options, ...args], { timeoutMs: 120_000, cwd: folder, signal });
  await apt("update");

  async function unpackFrom(archives: string): Promise<string> {
    const names = (await readdir(archives)).filter((file) => file.endsWith(".deb"));
    if (names.length === 0) throw new Error("apt-get downloaded no package");
    const root = join(folder, "unpacked");
    for (const name of names) await run("dpkg", ["-x", join(archives, name), root], { timeoutMs: 30_000, signal });
    return root;
  }

  return {
    async unpack(packages) {
      await apt("download", ...packages);
      return await unpackFrom(folder);
    },
    async unpackWithNeeds(packages) {
      await apt("install", "--yes", "--download-only", "--no-install-recommends", ...packages);
      return await unpackFrom(join(folder, "archives"));
    },
  };
}
