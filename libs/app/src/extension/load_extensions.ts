import { stat } from "node:fs/promises";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Composition, composeExtensions } from "./compose_extensions.ts";
import { type Extension, isExtension } from "./extension.ts";
import { ExtensionFailedError, ExtensionNotFoundError, NoExtensionError } from "./extension_errors.ts";
import { placeOfFailure } from "./failure_place.ts";

/** The extensions of an app where the setting `MUSTER_EXTENSIONS` names none. */
export interface ExtensionDefaults {
  /** Names of packages, or paths of modules that begin with `./`, `../` or `/`. */
  readonly byDefault: readonly string[];
  /**
   * The module of the app (`import.meta.url`). Modules that are not found from the folder in which it was started are
   * searched from there.
   */
  readonly from: string;
}

/** The extensions of an app. */
export interface ExtensionChoice extends ExtensionDefaults {
  /** Modules that the setting names; undefined: it names none. */
  readonly named: readonly string[] | undefined;
  /** The folder in which the app was started; default: the current one. */
  readonly folder?: string;
}

/** Returns the URL of a module as `import` in the file `parent` would find it. Throws where it does not exist. */
function resolveFrom(specifier: string, parent: string): string {
  // `import.meta.resolve` takes no other parent, and `require.resolve` does not see what is exported to `import` alone.
  // Nothing else is resolved in between.
  const hooks = registerHooks({
    resolve: (asked, context, next) => next(asked, { ...context, parentURL: parent }),
  });
  try {
    return import.meta.resolve(specifier);
  } finally {
    hooks.deregister();
  }
}

/** What stands at the URL of a module. What is no file of this machine is left to `import`. */
async function lookAt(url: string): Promise<"a module" | "a folder" | "nothing"> {
  if (!url.startsWith("file:")) return "a module";
  return await stat(fileURLToPath(url)).then(
    (found) => (found.isDirectory() ? "a folder" : "a module"),
    () => "nothing", // also where nobody may look, which is reported with its name
  );
}

/** Finds the module from the folder in which the app was started, or else from the app. */
async function find(specifier: string, folder: string, from: string): Promise<string> {
  let cause: unknown;
  let isFolder = false;
  for (const parent of [pathToFileURL(join(folder, "started-here.js")).href, from]) {
    try {
      const url = resolveFrom(specifier, parent);
      const there = await lookAt(url);
      if (there === "a module") return url;
      isFolder ||= there === "a folder";
    } catch (error) {
      cause ??= error;
    }
    // A path means the same file for every parent.
    if (specifier.startsWith(".")) break;
  }
  throw new ExtensionNotFoundError(specifier, folder, { isFolder, cause });
}

/** Imports a module. Where that fails, the error is told with its place. */
async function importAt(url: string, specifier: string): Promise<Readonly<Record<string, unknown>>> {
  const loaded = new Set([url]);
  const hooks = registerHooks({
    resolve(asked, context, next) {
      const found = next(asked, context);
      loaded.add(found.url);
      return found;
    },
  });
  try {
    return await import(url);
  } catch (error) {
    throw new ExtensionFailedError(specifier, error, await placeOfFailure(error, loaded));
  } finally {
    hooks.deregister();
  }
}

/** An extension and the URL of its module. */
interface Loaded {
  readonly extension: Extension;
  readonly module: string;
}

async function load(specifier: string, folder: string, from: string): Promise<Loaded> {
  const module = await find(specifier, folder, from);
  return { extension: await extensionAt(module, specifier), module };
}

async function extensionAt(url: string, specifier: string): Promise<Extension> {
  const found = await importAt(url, specifier);
  const { extension } = found;
  if (isExtension(extension)) return extension;
  throw new NoExtensionError(specifier, Object.keys(found));
}

/** Loads extensions by the URLs of their modules, and joins them, as {@linkcode loadExtensions} does. */
export async function loadModules(modules: readonly string[]): Promise<Composition> {
  const extensions: Extension[] = [];
  for (const module of modules) extensions.push(await extensionAt(module, module));
  return composeExtensions(extensions, modules);
}

/**
 * Loads the extensions that the setting names, or those that the app takes by default, and joins them.
 *
 * Throws {@linkcode ExtensionNotFoundError}, {@linkcode ExtensionFailedError}, {@linkcode NoExtensionError} and `ExtensionsClashError`.
 */
export async function loadExtensions(choice: ExtensionChoice): Promise<Composition> {
  const { named, byDefault, from, folder = process.cwd() } = choice;
  const loaded: Loaded[] = [];
  // Loads them one after the other, so that a lock type that two define is reported for the second one named.
  for (const specifier of named ?? byDefault) loaded.push(await load(specifier, folder, from));
  return composeExtensions(
    loaded.map(({ extension }) => extension),
    loaded.map(({ module }) => module),
  );
}
