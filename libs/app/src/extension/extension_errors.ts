// Tested by libs/app/src/extension/load_extensions_test.ts
const SETTING = "MUSTER_EXTENSIONS";

/** What is wrong with a module that was not found, and what to do about it. */
function howToFind(specifier: string, isFolder: boolean): string {
  if (isFolder) return `it is a folder; name the module in it, e.g. ${specifier.replace(/\/+$/, "")}/mod.ts`;
  return /^(?:\.{0,2}\/|file:)/.test(specifier)
    ? "mend the path, which begins at that folder"
    : `install it there with npm, or write a path as ./${specifier}`;
}

/** A module that `MUSTER_EXTENSIONS` or an app's default names does not exist, or is a folder. */
export class ExtensionNotFoundError extends Error {
  override readonly name = "ExtensionNotFoundError";
  readonly specifier: string;
  /** The folder from which it was searched. */
  readonly folder: string;
  constructor(
    specifier: string,
    folder: string,
    { isFolder = false, cause }: { readonly isFolder?: boolean; readonly cause?: unknown } = {},
  ) {
    const what = howToFind(specifier, isFolder);
    super(
      `Cannot find extension ${JSON.stringify(specifier)} from ${folder}${isFolder ? ":" : ";"} ${what} (${SETTING})`,
      {
        cause,
      },
    );
    this.specifier = specifier;
    this.folder = folder;
  }
}

/** The module of an extension threw while it was loaded. */
export class ExtensionFailedError extends Error {
  override readonly name = "ExtensionFailedError";
  readonly specifier: string;
  /** Where it went wrong, as `path:line`. */
  readonly place: string | undefined;
  constructor(specifier: string, cause: unknown, place?: string) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = place === undefined ? "" : ` (${place})`;
    super(
      `Cannot load extension ${JSON.stringify(specifier)}: ${reason}${where}; mend it, or leave it out of ${SETTING}`,
      {
        cause,
      },
    );
    this.specifier = specifier;
    this.place = place;
  }
}

/** A module has no export `extension`, or one that `defineExtension` has not made. */
export class NoExtensionError extends Error {
  override readonly name = "NoExtensionError";
  readonly specifier: string;
  /** The names that it exports. */
  readonly exported: readonly string[];
  constructor(specifier: string, exported: readonly string[]) {
    const found = exported.includes("extension")
      ? "its export `extension` was not made by defineExtension"
      : `it exports ${exported.length === 0 ? "nothing" : exported.slice(0, 10).join(", ")}, and no \`extension\``;
    super(
      `Cannot use ${JSON.stringify(specifier)} as an extension: ${found}; write \`export const extension = defineExtension({ ... })\` in it`,
    );
    this.specifier = specifier;
    this.exported = exported;
  }
}

/** Two extensions of one app share a name that only one may have. */
export class ExtensionsClashError extends Error {
  override readonly name = "ExtensionsClashError";
  readonly what: "extension" | "task" | "lock type" | "middleware";
  /** The name that both have. */
  readonly shared: string;
  /** The extensions' names. */
  readonly extensions: readonly [string, string];
  constructor(what: ExtensionsClashError["what"], shared: string, extensions: readonly [string, string]) {
    const [first, second] = extensions;
    const found =
      what === "extension"
        ? `two are named "${shared}"; name each once in ${SETTING}, or rename one`
        : `"${first}" and "${second}" both bring the ${what} "${shared}"; rename it in one of them, or leave one out of ${SETTING}`;
    super(`Cannot use the extensions together: ${found}`);
    this.what = what;
    this.shared = shared;
    this.extensions = extensions;
  }
}

/** `MUSTER_TASKS` names a task that no extension of the app has, or leaves none. */
export class NoSuchTaskError extends Error {
  override readonly name = "NoSuchTaskError";
  readonly wanted: string;
  constructor(wanted: string, known: readonly string[], extensions: readonly string[]) {
    const there = known.length === 0 ? "none at all" : `only ${known.join(", ")}`;
    super(
      `Cannot run ${JSON.stringify(wanted)}: extension ${extensions.join(", ")} has no such task, ${there}; mend MUSTER_TASKS, or name its extension in ${SETTING}`,
    );
    this.wanted = wanted;
  }
}

/** Whether an error says that the settings of extensions or tasks are wrong. No new start mends that. */
export function isExtensionError(error: unknown): boolean {
  return [ExtensionNotFoundError, ExtensionFailedError, NoExtensionError, ExtensionsClashError, NoSuchTaskError].some(
    (known) => error instanceof known,
  );
}
