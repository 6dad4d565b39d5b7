// Tested by apps/dashboard/src/serve/serve_test.ts
import { createAdaptorServer } from "@hono/node-server";
import { pilotTables } from "@muster/logic";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { limitGuesses } from "../access/guesses.ts";
import { serveApi } from "../api/serve_api.ts";
import { openFeed } from "../feed/feed.ts";
import { openReads } from "../read/reads.ts";
import type { Sources } from "../read/sources.ts";
import { serveForms } from "./answer_forms.ts";
import { type Env, problemPage, sendPage, servePages } from "./answer_pages.ts";
import { readAssets } from "./assets.ts";
import { guard } from "./guard.ts";
import { openLive } from "./live.ts";

/** Largest form that is read, bytes. A configuration is the largest. */
const MAX_FORM_BYTES = 4_000_000;
/** Time that a wrong token costs, ms. */
const WRONG_TOKEN_MS = 500;

/** Address of the dashboard, and what it is made from. */
export interface DashboardOptions extends Omit<Sources, "feed"> {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** The secret that lets a visitor act; undefined: nobody may. */
  readonly token: string | undefined;
  /** Names beside addresses and `localhost` under which it is reached. */
  readonly names?: readonly string[];
  readonly version: string;
  /** Time between two looks at the servers, ms; default 2,000. */
  readonly everyMs?: number;
}

/** A dashboard that is served until it is disposed of. */
export interface Dashboard extends AsyncDisposable {
  /** `http://127.0.0.1:7450`. */
  readonly url: string;
  /** Number of those who watch a page now. */
  viewers(): number;
}

/** Its port cannot be opened. */
export class DashboardPortError extends Error {
  override readonly name = "DashboardPortError";
  constructor({ host, port }: { host: string; port: number }, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    super(
      `Cannot serve the dashboard on MUSTER_DASHBOARD_PORT ${port} of ${host} (${code}); set MUSTER_DASHBOARD_PORT to a free one (0: any), or MUSTER_DASHBOARD_HOST to an address of this machine`,
      { cause },
    );
  }
}

/** Serves the dashboard. Throws {@linkcode DashboardPortError}. */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { broker, database, composition, host, port, token, names = [], version, everyMs } = options;
  await using opened = new AsyncDisposableStack();
  const live = opened.use(openLive());
  const hasPilots = composition.tables.some(({ name }) => name === pilotTables.name);
  const feed = opened.use(
    await openFeed({
      ...{ broker, database, hasPilots, isWatched: () => live.viewers > 0 },
      ...(everyMs === undefined ? {} : { everyMs }),
    }),
  );
  const sources: Sources = { broker, database, composition, feed };
  const reads = openReads(sources);
  const assets = await readAssets();
  const app = new Hono<Env>();
  const guesses = limitGuesses(WRONG_TOKEN_MS);
  app.use(guard({ token, guesses, names }));
  app.use(bodyLimit({ maxSize: MAX_FORM_BYTES }));
  serveApi(app, reads, version);
  servePages(app, { reads, live, assets, token });
  serveForms(app, { sources, assets, token, guesses });
  app.notFound((context) =>
    sendPage(
      context,
      { assets, token },
      {
        main: problemPage("Not found", "There is no such page."),
        title: "Not found",
        nav: "",
        isLive: false,
        status: 404,
      },
    ),
  );
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(port, host);
  await once(server, "listening").catch((cause: unknown) => {
    throw new DashboardPortError({ host, port }, cause);
  });
  opened.defer(async () => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  const { port: openPort } = server.address() as AddressInfo;
  const kept = opened.move();
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${openPort}`,
    viewers: () => live.viewers,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
