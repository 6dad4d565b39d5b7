import { pathToFileURL } from "node:url";
import { mainFile } from "../support/built.ts";
import { startProcess, type TestProcess } from "../support/child_process.ts";

/** One of the apps in a process of its own, its health on a free port. */
export interface AppProcess extends TestProcess {
  /** Status and text of `path` on its health port. */
  get(path: string): Promise<{ status: number; text: string }>;
}

export interface AppServers {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** More of its environment. */
  readonly more?: Readonly<Record<string, string>>;
  /** `source`: for a test that looks at the modules that are loaded. */
  readonly form?: "source";
}

/** Where the main file of an app is. */
export function mainOf(app: string, form?: "source"): URL {
  return pathToFileURL(mainFile(app, form));
}

/** Starts an app, and resolves when its health answers. */
export async function startApp(
  app: string,
  { natsUrl, databaseUrl, more = {}, form }: AppServers,
): Promise<AppProcess> {
  const child = await startProcess(mainOf(app, form), {
    NATS_URL: natsUrl,
    DATABASE_URL: databaseUrl,
    HTTP_PORT: "0",
    MUSTER_DRAIN_SECONDS: "2",
    ...more,
  });
  const { url } = JSON.parse(await child.line(/serving \/healthz/));
  async function get(path: string): Promise<{ status: number; text: string }> {
    const answer = await fetch(`${url}${path}`);
    return { status: answer.status, text: await answer.text() };
  }
  return { ...child, get };
}
