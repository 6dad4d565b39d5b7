import { plainProblem, plainSilence } from "@muster/tasks/operate";
import type { Context, Env, Hono } from "hono";
import { ZodError } from "zod";
import type { Reads } from "../read/reads.ts";
import { describeApi } from "./openapi.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";

/** Names of errors that say that what was asked for does not exist. */
const GONE: ReadonlySet<string> = new Set(["UnknownDeadLetterError"]);

/** The status for an error: 404 for what does not exist, 400 for what cannot be asked, 503 where a server is away. */
export function statusOf(error: unknown): 400 | 404 | 503 {
  if (!(error instanceof Error)) return 503;
  if (GONE.has(error.name)) return 404;
  return error instanceof ZodError || error.name === "InvalidNameError" ? 400 : 503;
}

/** What is wrong, in one line. */
export function problemOf(error: unknown): string {
  if (error instanceof ZodError)
    return error.issues.map((issue) => `${issue.path.join(".")}: ${plainProblem(issue)}`).join("; ");
  return plainSilence(error) ?? (error instanceof Error ? error.message : String(error));
}

async function answer(context: Context, reads: Reads, route: Route): Promise<Response> {
  try {
    const found = await route.read(reads, { ...context.req.query(), ...context.req.param() });
    if (found === undefined) return context.json({ error: "There is none of this id" }, 404);
    return context.json(found, 200, { "cache-control": "no-store" });
  } catch (error) {
    return context.json({ error: problemOf(error) }, statusOf(error));
  }
}

/** Adds the read API and its description. */
export function serveApi<Bound extends Env>(app: Hono<Bound>, reads: Reads, version: string): void {
  app.get("/api/openapi.json", (context) => context.json(describeApi(ROUTES, version)));
  for (const route of ROUTES) {
    app.get(route.path.replace(/\{(\w+)\}/g, ":$1"), (context) => answer(context, reads, route));
  }
  app.all("/api/*", (context) => context.json({ error: "There is no such address; see /api/openapi.json" }, 404));
}
