import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCleanMachine, type Running } from "../docs/clean_machine.ts";
import { parsePage, ROOT } from "../docs/markdown.ts";

/** A project of somebody else's, in a folder outside the workspace, on a machine that has nothing of ours. */
export interface Stranger extends AsyncDisposable {
  readonly root: string;
  write(name: string, text: string): Promise<void>;
  /** Gives a command to a shell in the project's folder. npm has its registry alone. */
  give(command: string, env?: Readonly<Record<string, string>>): Running;
  /** Runs a file of the project with the Node.js at `node`. */
  run(node: string, file: string, env?: Readonly<Record<string, string>>): Running;
  /** Runs the type checker, as strict as can be, with declarations checked too. Returns what it complains of, line by line. */
  complaints(): Promise<string[]>;
}

const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

/** The page from which the stranger has the settings of the type checker. */
const PAGE = join("docs", "how-to", "use-the-packages.md");

/** What the page says that TypeScript is to be told, made as strict as can be. */
async function readTsconfig(): Promise<object> {
  const { blocks } = parsePage(PAGE, await readFile(join(ROOT, PAGE), "utf8"));
  const shown = blocks.find(({ language, text }) => language === "json" && text.includes("compilerOptions"));
  if (shown === undefined) throw new Error(`Cannot find a tsconfig.json in ${PAGE}`);
  const compilerOptions = {
    ...JSON.parse(shown.text).compilerOptions,
    ...{ lib: ["esnext"], exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
  };
  return { compilerOptions, include: ["*.ts"] };
}

/** Makes one with nothing in it but a `package.json`. `registry` is the only one that its npm asks. */
export async function makeStranger(registry: string): Promise<Stranger> {
  await using made = new AsyncDisposableStack();
  const folder = await realpath(await mkdtemp(join(tmpdir(), "muster-stranger-")));
  made.defer(() => rm(folder, { recursive: true, force: true }));
  const machine = made.use(
    await openCleanMachine({ npm_config_registry: registry, npm_config_cache: join(folder, "cache") }),
  );
  const root = join(folder, "project");
  await mkdir(root);
  const write = (name: string, text: string) => writeFile(join(root, name), text);
  await write("package.json", '{ "name": "stranger", "private": true, "type": "module" }\n');
  await write("tsconfig.json", JSON.stringify(await readTsconfig()));
  const kept = made.move();
  function give(command: string, env: Readonly<Record<string, string>> = {}): Running {
    const settings = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
    return machine.start([...settings, "exec", command].join(" "), root);
  }
  return {
    root,
    write,
    give,
    run: (node, file, env) => give(`${node} ${file}`, env),
    async complaints() {
      const { code, said } = await machine.start(`exec ${process.execPath} ${TSC} --pretty false`, root).ended;
      if (code !== 0 && said === "") throw new Error(`Cannot check types: tsc ended with ${code}`);
      // Further lines of one complaint are indented.
      return said.split("\n").filter((line) => line !== "" && !line.startsWith(" "));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The oldest Node.js that the packages promise to run on, as far as this machine has it. */
export async function findOldestNode(): Promise<string> {
  const name = `node-oldest-${process.platform}-${process.arch}`;
  return await realpath(join(ROOT, "tests", "node_modules", name, "bin", "node"));
}
