import type { Context, MiddlewareHandler } from "hono";
import { SAFE_HEADERS } from "../access/headers.ts";
import { isFromOurPage, isOurHost } from "../access/same_site.ts";
import { bearerOf } from "./visitor.ts";

/** What a request is judged by. */
export interface GuardOptions {
  readonly token: string | undefined;
  /** Names beside addresses and `localhost` under which the dashboard is reached. */
  readonly names: readonly string[];
}

function refuse(context: Context, status: 403 | 421, error: string): Response {
  return context.json({ error }, status);
}

/** Refuses requests that were led here by other sites, and sets the headers of every response. */
export function guard({ token, names }: GuardOptions): MiddlewareHandler {
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
    if (!reads && bearerOf(context, token) === undefined && !isFromOurPage(provenance)) {
      return refuse(context, 403, "A page of another site, or no page at all, has sent this; nothing was done");
    }
    return await next();
  };
}
