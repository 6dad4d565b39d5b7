// Tested by tests/src/docs/reference_test.ts
import { join } from "node:path";
import { Application, Logger, LogLevel, ReflectionKind } from "typedoc";
import { type Face, findFaces } from "./faces.ts";

/** What was built. */
export interface BuiltReference {
  /** The page to open first. */
  readonly index: string;
  readonly faces: readonly Face[];
  /** The public names of each face, by the face's name. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** What TypeDoc found wrong in doc comments, one line each: a name without a comment, a link that leads nowhere. */
  readonly problems: readonly string[];
}

/**
 * Writes a page for each public name of the libraries in `root` into the folder `out`, which is emptied first.
 *
 * Throws `Error` where the sources cannot be read.
 */
export async function buildReference(root: string, out: string): Promise<BuiltReference> {
  const faces = await findFaces(root);
  const app = await Application.bootstrap({
    entryPoints: faces.map(({ source }) => source),
    tsconfig: join(root, "tsconfig.json"),
    out,
    basePath: root,
    name: "Muster",
    readme: "none",
    githubPages: false,
    // `npm test` checks the types, with another version of the compiler.
    skipErrorChecking: true,
    sourceLinkTemplate: "",
    disableSources: true,
    packagesRequiringDocumentation: faces.map(({ name }) => name.split("/", 2).join("/")),
    // A property whose name says all needs no comment.
    requiredToBeDocumented: ["Function", "Class", "Interface", "TypeAlias", "Variable"],
    // A mapped type, such as `Omit<…>`, loses the comments of its methods.
    intentionallyNotDocumented: [
      "@muster/tasks/testing.TestSystemOptions.deps",
      "@muster/tasks/testing.TestWorkerOptions.deps",
    ],
    validation: { notDocumented: true, notExported: false, invalidLink: true },
  });
  const problems: string[] = [];
  const logger = new Logger();
  logger.log = (message, level) => {
    // A type literal has no name that others could look up.
    const isNameless = message.includes(".__type.");
    if ((level === LogLevel.Warn || level === LogLevel.Error) && !isNameless) problems.push(message);
  };
  app.logger = logger;
  const project = await app.convert();
  if (project === undefined) throw new Error(`Cannot read the libraries in ${root}: ${problems.join("; ")}`);
  const names = new Map<string, readonly string[]>();
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    names.set(
      module.name,
      (module.children ?? []).map(({ name }) => name),
    );
  }
  app.validate(project);
  await app.generateOutputs(project);
  return { index: join(out, "index.html"), faces, names, problems };
}
