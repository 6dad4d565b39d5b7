import type { Context, MiddlewareHandler } from "hono";
import { SAFE_HEADERS } from "../access/headers.ts";
import { isFromOurPage, isOurHost } from "../access/same_site.ts";
import type { Guesses } from "../access/guesses.ts";
import { bearerSlowly } from "./visitor.ts";

/** What is said where so many wrong tokens came that none is looked at. */
export const TOO_MANY_GUESSES = "Too many wrong tokens come at this moment; try again in a second";

/** What a request is judged by. */
export interface GuardOptions {
  readonly token: string | undefined;
  readonly guesses: Guesses;
  /** Names beside addresses and `localhost` under which the dashboard is reached. */
  readonly names: readonly string[];
}

function refuse(context: Context, status: 403 | 421 | 429, error: string): Response {
  return context.json({ error }, status);
}

/** Refuses requests that were led here by other sites, and sets the headers of every response. */
export function guard({ token, guesses, names }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    const { req } = context;
    const host = req.header("host");
    for (const [name, value] of Object.entries(SAFE_HEADERS)) context.header(name, value);
    if (!isOurHost(host, names)) {
      return refuse(
        context,
        421,
        `This dashboard is not reached as ${JSON.stringify(host ?? "")}: use an address or localhost, or allow the name by MUSTER_DASHBOARD_NAMES`,
      );
    }
    const reads = req.method === "GET" || req.method === "HEAD";
    const provenance = { host, origin: req.header("origin"), site: req.header("sec-fetch-site") };
    if (!reads && !isFromOurPage(provenance)) {
      const who = await bearerSlowly(context, token, guesses);
      if (who === "full") return refuse(context, 429, TOO_MANY_GUESSES);
      if (who === undefined)
        return refuse(context, 403, "A page of another site, or no page at all, has sent this; nothing was done");
    }
    return await next();
  };
}
