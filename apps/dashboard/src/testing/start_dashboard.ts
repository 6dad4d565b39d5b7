import { composeExtensions, defineExtension } from "@muster/app";
import { startTestNatsServer } from "@muster/local";
import type { Database } from "@muster/ledger";
import { addCe } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import { extension } from "@muster/pilot-tasks";
import { atLeastOnceFactory, connectNats, every, type NatsAccess, openBroker } from "@muster/tasks";
import { inboxPrefixOf } from "@muster/tasks/operate";
import { startTestSystem, type TestSystem } from "@muster/tasks/testing";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { type Dashboard, serveDashboard } from "../serve/serve.ts";

/** The token of dashboards of tests. */
export const TOKEN = "let-me-in-0123456789";

const defineTask = atLeastOnceFactory();

/** A task that says hello, and fails where the name is `fail`. */
export const HelloTask = defineTask({
  name: "HelloTask",
  per: "vo",
  payload: z.strictObject({ name: z.string() }),
  execute({ payload }) {
    if (payload.name === "fail") throw new Error("<b>no</b> hello");
    return { hello: payload.name };
  },
});

/** A periodic task that no test waits for. */
export const TickTask = defineTask({ name: "TickTask", schedule: every({ hours: 1 }), execute() {} });

/** The JSON in a response. */
export async function bodyOf(response: Response): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await response.text());
}

/** A dashboard over real servers, and a small system behind it. */
export interface TestDashboard extends AsyncDisposable {
  readonly url: string;
  readonly system: TestSystem;
  readonly database: Database;
  viewers(): number;
  /** Fetches a path. With `as` it acts as a program that knows the token. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Sends a form as a page of the dashboard does, from a browser that is signed in. */
  post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  /** Signs in, and returns the cookie. */
  signIn(): Promise<string>;
  /** Serves one more dashboard over the same servers, with the same token. */
  another(): Promise<Dashboard>;
}

/** How a dashboard of a test is served. */
export interface TestDashboardOptions {
  /** Default {@linkcode TOKEN}; `none`: nobody may act. */
  readonly token?: "none";
  readonly worker?: "none";
  /**
   * `shipped`: the dashboard logs in to NATS as the user `dashboard` of infra/nats, which may only look, and all others as `operator`. Default: one
   * user who may do all.
   */
  readonly users?: "shipped";
}

/** The users of infra/nats as a part of a server's configuration. Everybody's password is `x`. */
async function shippedUsers(): Promise<string> {
  const file = join(import.meta.dirname, "..", "..", "..", "..", "infra", "nats", "users.conf");
  const text = await readFile(file, "utf8");
  return text.replace('include "passwords.conf"', "").replaceAll(/\$PASSWORD_\w+/g, '"x"');
}

/** How a user of infra/nats logs in. */
function accessOf(user: "operator" | "dashboard", url: string): NatsAccess {
  return { url, user, password: "x", inboxPrefix: inboxPrefixOf(user) };
}

async function startSystem(worker: TestDashboardOptions["worker"], nats: NatsAccess): Promise<TestSystem> {
  return await startTestSystem({
    nats,
    vos: ["lhcb", "vo.cta.in2p3.fr"],
    ...(worker === "none" ? {} : { tasks: [HelloTask] }),
  });
}

/** Starts a NATS server, a database with two CEs, a worker of {@linkcode HelloTask}, and the dashboard, in this process. */
export async function startTestDashboard({ token, worker, users }: TestDashboardOptions = {}): Promise<TestDashboard> {
  await using opened = new AsyncDisposableStack();
  const postgres = opened.use(await startTestServer());
  const database = opened.use(await postgres.open());
  await database.transaction(async (transaction) => {
    await addCe(transaction, { name: "ce01.example.org", capacity: 4, successRate: 1 });
    await addCe(transaction, { name: "ce02.example.org", capacity: 2, successRate: 1, vos: ["lhcb"] });
  });
  const server = opened.use(await startTestNatsServer(users === undefined ? {} : { moreConfig: await shippedUsers() }));
  const { url: natsUrl } = server;
  const system = opened.use(
    await startSystem(worker, users === undefined ? { url: natsUrl } : accessOf("operator", natsUrl)),
  );
  let broker = system.broker;
  if (users !== undefined) {
    const nc = await connectNats({ ...accessOf("dashboard", natsUrl), name: "dashboard" });
    opened.defer(() => nc.close());
    broker = await openBroker(nc);
  }
  const own = defineExtension({ name: "hello", tasks: [HelloTask, TickTask] });
  const another = () =>
    serveDashboard({
      ...{ broker, database, composition: composeExtensions([extension, own]) },
      ...{ host: "127.0.0.1", port: 0, token: token === "none" ? undefined : TOKEN },
      ...{ names: ["muster.example.org"], version: "0.0.0", everyMs: 100 },
    });
  const dashboard = opened.use(await another());
  const { url } = dashboard;
  async function signIn(): Promise<string> {
    const body = new URLSearchParams({ name: "ana", token: TOKEN, to: "/" });
    const response = await fetch(`${url}/sign-in`, {
      method: "POST",
      body,
      redirect: "manual",
      headers: { origin: url },
    });
    return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  }
  let cookie: Promise<string> | undefined;
  const kept = opened.move();
  return {
    ...{ url, system, database, signIn, another, viewers: () => dashboard.viewers() },
    get: (path, headers = {}) => fetch(url + path, { headers, redirect: "manual" }),
    async post(path, fields, headers = {}) {
      cookie ??= signIn();
      const own = { origin: url, referer: `${url}/queue`, accept: "application/json", cookie: await cookie };
      const body = new URLSearchParams(fields);
      return await fetch(url + path, { method: "POST", body, redirect: "manual", headers: { ...own, ...headers } });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
