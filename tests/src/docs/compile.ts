import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { ROOT } from "./markdown.ts";

/** What the type checker is told: as strict as for our own sources, but an example may leave a name unused. */
const CONFIG = {
  extends: join(ROOT, "tsconfig.json"),
  compilerOptions: {
    noUnusedLocals: false,
    noUnusedParameters: false,
    typeRoots: [join(ROOT, "node_modules", "@types")],
  },
  include: ["**/*.ts"],
  exclude: ["node_modules"],
};

/** Runs the type checker over files, by name, that see the packages which the tests see. Returns what it complains of, empty if nothing. */
export async function complaintsAbout(files: ReadonlyMap<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muster-docs-"));
  try {
    await symlink(join(ROOT, "tests", "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(CONFIG));
    for (const [name, content] of files) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const tsc = spawn("tsc", ["-p", "tsconfig.json", "--singleThreaded", "--pretty", "false"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      tsc.once("error", reject);
      tsc.once("close", resolve);
    });
    const complaints = await text(tsc.stdout);
    const code = await ended;
    if (code !== 0 && complaints === "") throw new Error(`Cannot compile the examples: tsc ended with ${code}`);
    return complaints;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
