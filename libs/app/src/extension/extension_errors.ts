const SETTING = "MUSTER_EXTENSIONS";

/** A module that `MUSTER_EXTENSIONS` or an app's default names does not exist. */
export class ExtensionNotFoundError extends Error {
  override readonly name = "ExtensionNotFoundError";
  readonly specifier: string;
  /** The folder from which it was searched. */
  readonly folder: string;
  constructor(specifier: string, folder: string, cause?: unknown) {
    const remedy = /^(?:\.{0,2}\/|file:)/.test(specifier)
      ? "mend the path, which begins at that folder"
      : `install it there with npm, or write a path as ./${specifier}`;
    super(`Cannot find extension ${JSON.stringify(specifier)} from ${folder}; ${remedy} (${SETTING})`, { cause });
    this.specifier = specifier;
    this.folder = folder;
  }
}

/** The module of an extension threw while it was loaded. */
export class ExtensionFailedError extends Error {
  override readonly name = "ExtensionFailedError";
  readonly specifier: string;
  constructor(specifier: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot load extension ${JSON.stringify(specifier)}: ${reason}; mend it, or leave it out of ${SETTING}`, {
      cause,
    });
    this.specifier = specifier;
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
  readonly what: "extension" | "task" | "lock type";
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
