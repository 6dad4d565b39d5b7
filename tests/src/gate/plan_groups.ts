import { glob, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

/** Folder of the files that ava runs in a gate, relative to the workspace's folder. */
export const GROUPS = join(".muster", "groups");

/** The name of a group's file as ava writes it before each title, which names the test file itself. */
export const GROUP_IN_TITLE = /(?<=^(?:ok|not ok|#) .*?)\b\d{3}_\w+_test › /;

/** Files that compare times, or look at memory and CPU. */
const MEASURES = /^tests\/bench\/(?:rows\/|run\/small_bench)/;

/** Files that need a process of their own: they change its environment, listeners or way to NATS for all that runs there, or they measure. */
const ALONE = [
  MEASURES,
  /^apps\/cli\/src\/up\/processes\/mend_nats_test\.ts$/,
  /^infra\/local\/src\/provision\/provision_test\.ts$/,
  /^libs\/tasks\/src\/run\/children_test\.ts$/,
  /^tests\/src\/access\/websocket_test\.ts$/,
];

/** What a group of a folder's files may hold: most files of a group, by how long they take. */
const SIZES: readonly (readonly [RegExp, number])[] = [
  [/^tests\/src\/docs\/(?:commands|tutorial|reference)_test\.ts$/, 1],
  [/^tests\/src\/(?:docs|gate|rules|types)\//, 6],
  [/^tests\/src\/(?:worker|cli|access)\//, 4],
  [/^tests\/bench\//, 10],
  [/^tests\/|^apps\/dashboard\/src\/browser\//, 1],
  [/^apps\/dashboard\//, 3],
  [/^libs\/tasks\/src\/(?:schedule|locks|keeper|run)\//, 6],
  [/./, 10],
];

/** Files that start many processes, the longest first. */
const HEAVY = [
  /^tests\/src\/docs\/commands_test/,
  /^tests\/src\/(?:packages|up|viewers)\/|^apps\/dashboard\/src\/browser\//,
  /^tests\/src\/(?:chaos|apps|crash)\//,
  /^tests\/src\/(?!docs|worker|cli|access|gate|rules|types)/,
  /^apps\/dashboard\//,
];
/** Files that work for some of their time. */
const MIDDLING = [/^tests\/src\/(?:docs|gate)\//, /^tests\/src\/worker\//, /^tests\/src\//];
/** Files that mostly wait for what comes in its time, such as the next occurrence of a schedule. */
const WAITING = [
  /^libs\/tasks\/src\/(?:schedule|sweep|later|lead|locks|keeper|run)\//,
  /^libs\/(?:tasks|ledger|logic)\//,
];
/** The rest, which is short. */
const SHORT = [/./];
/** What measures. It comes last, when nothing else runs. */
const MEASURING = [MEASURES];
/** A file is of the first kind that it fits. */
const KINDS = [MEASURING, HEAVY, MIDDLING, WAITING, SHORT];
/** Over which part of the run each of `KINDS` is spread. What takes long begins early, so that only short ones are left for the end. */
const SPANS = [
  [1, 1],
  [0, 0.7],
  [0, 0.7],
  [0, 0.7],
  [0.3, 1],
] as const;

/** A group's place among all. */
interface Rank {
  /** Which of `KINDS`. */
  readonly kind: number;
  /** Which pattern of that kind. */
  readonly order: number;
}

const isAlone = (file: string) => ALONE.some((pattern) => pattern.test(file));
const sizeOf = (file: string) => SIZES.findIndex(([pattern]) => pattern.test(file));

function rankOf(file: string): Rank {
  const kind = KINDS.findIndex((patterns) => patterns.some((pattern) => pattern.test(file)));
  return { kind, order: KINDS[kind]?.findIndex((pattern) => pattern.test(file)) ?? 0 };
}

/** Part of a path whose files load much the same. */
function neighbourhood(file: string): string {
  return file.split("/").slice(0, 2).join("/");
}

/**
 * Divides test files into groups that share a process. A group has files of one library or app only.
 *
 * Groups of each kind are spread, and short ones come late. Heavy ones together would wait for each other's processor time, and waiting
 * ones together would leave it unused.
 */
export function planGroups(files: readonly string[]): readonly (readonly string[])[] {
  const alike = Map.groupBy(files.toSorted(), (file) => {
    const { kind, order } = rankOf(file);
    return isAlone(file) ? file : `${neighbourhood(file)} ${sizeOf(file)} ${kind} ${order}`;
  });
  const groups = [...alike.values()].flatMap((those) => {
    const most = SIZES[sizeOf(those[0] ?? "")]?.[1] ?? 1;
    const count = Math.ceil(those.length / most);
    return Array.from({ length: count }, (_, index) => those.filter((__, place) => place % count === index));
  });
  const ofKinds = KINDS.map((_, kind) =>
    groups
      .map((group) => ({ group, rank: rankOf(group[0] ?? "") }))
      .filter(({ rank }) => rank.kind === kind)
      .toSorted((a, b) => a.rank.order - b.rank.order),
  );
  // The heaviest of all is the very first, and each kind begins with its longest ones.
  const placed = ofKinds.flatMap((ofKind, kind) => {
    const [from, to] = SPANS[kind] ?? [0, 1];
    return ofKind.map(({ group }, index) => ({ group, at: from + ((to - from) * index) / ofKind.length }));
  });
  return placed.toSorted((a, b) => a.at - b.at).map(({ group }) => group);
}

/** The name of a group, by which ava sorts: its place, and its first file. */
function nameOf(group: readonly string[], place: number): string {
  const [first = ""] = group;
  const of = first.replace(/_test\.ts$/, "").replaceAll(/\W+/g, "_");
  return `${String(place).padStart(3, "0")}_${of}_test.ts`;
}

/** The workspace's test files, as ava itself finds them. It takes none whose name begins with an underscore. */
async function findTestFiles(root: string): Promise<readonly string[]> {
  const { default: config } = await import(pathToFileURL(join(root, "ava.config.mjs")).href);
  const patterns: string[] = config.files;
  const files: string[] = [];
  for await (const file of glob(patterns, { cwd: root, exclude: (name) => name === "node_modules" })) files.push(file);
  return files.filter((file) => !basename(file).startsWith("_"));
}

/** Writes a file for each group of the workspace's test files, and returns the groups. Files of an earlier run are removed. */
export async function writeGroups(root: string): Promise<readonly (readonly string[])[]> {
  const groups = planGroups(await findTestFiles(root));
  const folder = join(root, GROUPS);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [place, group] of groups.entries()) {
    const lines = [
      'import "ava";',
      'import { runGroup } from "../../tests/src/gate/run_group.ts";',
      'import { takeTurn } from "../../tests/src/gate/turns.ts";',
      "",
      "await takeTurn();",
      "",
    ];
    const call = `await runGroup(${JSON.stringify(group, undefined, 2)});\n`;
    await writeFile(join(folder, nameOf(group, place)), lines.join("\n") + call);
  }
  return groups;
}
