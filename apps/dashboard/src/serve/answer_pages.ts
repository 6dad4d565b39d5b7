// Tested by apps/dashboard/src/serve/serve_test.ts
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, Hono } from "hono";
import { problemOf, statusOf } from "../api/serve_api.ts";
import { html, type Markup } from "../markup/html.ts";
import { pageHead } from "../markup/parts.ts";
import { type Frame, layout } from "../pages/layout.ts";
import type { Page, Query } from "../pages/page.ts";
import { PAGES } from "../pages/pages.ts";
import type { Reads } from "../read/reads.ts";
import type { Assets } from "./assets.ts";
import type { Live, Viewer } from "./live.ts";
import { actingOf, takeSaid } from "./visitor.ts";

/** The bindings of Node.js behind a request. */
export type Env = { Bindings: HttpBindings };

/** What the pages are made from. */
export interface PagesOptions {
  readonly reads: Reads;
  readonly live: Live;
  readonly assets: Assets;
  readonly token: string | undefined;
}

/** A field that came several times has its values with commas between. */
export function queryOf(context: Context): Query {
  return Object.fromEntries(Object.entries(context.req.queries()).map(([name, values]) => [name, values.join(",")]));
}

/** Sends a whole page. */
export function sendPage(
  context: Context,
  { assets, token }: Pick<PagesOptions, "assets" | "token">,
  given: { main: Markup; status?: 200 | 400 | 403 | 404 | 429 | 503 } & Pick<Frame, "title" | "nav" | "isLive">,
): Response {
  const { main, status = 200, ...frame } = given;
  const url = new URL(context.req.url);
  const here = `${url.pathname}${url.search}`;
  const acting = actingOf(context, token);
  const said = takeSaid(context);
  const text = layout({ ...frame, here, acting, said, assets: assets.digest }, main).html;
  return context.html(text, status, { "cache-control": "no-store" });
}

/** A page that says what is wrong. */
export function problemPage(title: string, text: string): Markup {
  return html`${pageHead(title)}<section class="notice bad"><p>${text}</p></section>`;
}

/** The other end of a stream of updates. Its headers go out with the first text. */
function openViewer(outgoing: HttpBindings["outgoing"]): Viewer {
  return {
    write(text) {
      if (!outgoing.headersSent) {
        outgoing.writeHead(200, {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          "x-accel-buffering": "no",
          "x-content-type-options": "nosniff",
        });
      }
      outgoing.write(text);
    },
    get waitingBytes() {
      return outgoing.writableLength;
    },
  };
}

/** Sends updates of a page as they come, until the browser leaves. */
function watch(context: Context<Env>, page: Page, { reads, live }: PagesOptions): Response {
  const { outgoing } = context.env;
  const query = queryOf(context);
  const key = `${page.path}?${JSON.stringify(Object.entries(query).sort())}`;
  const render = async () => (await page.make(reads, query))?.main.html ?? "";
  const viewer = openViewer(outgoing);
  const leave = live.watch({ key, everyMs: page.everyMs, render }, viewer);
  if (leave === undefined) {
    return context.json({ error: "Too many pages are watched already; reload from time to time" }, 503);
  }
  viewer.write("retry: 3000\n\n");
  outgoing.once("close", leave);
  return RESPONSE_ALREADY_SENT;
}

async function answer(context: Context<Env>, page: Page, options: PagesOptions): Promise<Response> {
  const { nav, everyMs } = page;
  const isStream = context.req.header("accept")?.includes("text/event-stream") ?? false;
  if (isStream && everyMs > 0) return watch(context, page, options);
  try {
    const content = await page.make(options.reads, queryOf(context));
    if (content !== undefined) return sendPage(context, options, { ...content, nav, isLive: everyMs > 0 });
    const main = problemPage("Not found", "There is nothing of this name. It may have ended, or was removed.");
    return sendPage(context, options, { main, title: "Not found", nav, isLive: false, status: 404 });
  } catch (error) {
    const main = problemPage("This cannot be shown now", problemOf(error));
    return sendPage(context, options, { main, title: "Cannot be shown", nav, isLive: false, status: statusOf(error) });
  }
}

/** Adds all pages that show something. The same address sends a page, or its updates to who asks for an event stream. */
export function servePages(app: Hono<Env>, options: PagesOptions): void {
  for (const page of PAGES) app.get(page.path, (context) => answer(context, page, options));
  app.get("/assets/:name", (context) => {
    const asset = options.assets.byName.get(context.req.param("name"));
    if (asset === undefined) return context.notFound();
    return context.body(asset.body, 200, {
      "content-type": asset.type,
      "cache-control": "public, max-age=31536000, immutable",
    });
  });
}
