import { until } from "@muster/tasks/testing";
import test from "ava";
import { ROUTES } from "../api/routes.ts";
import { bodyOf, HelloTask, startTestDashboard, TOKEN } from "../testing/start_dashboard.ts";
import { PAGES } from "../pages/pages.ts";
import { request } from "node:http";

const dashboard = await startTestDashboard();
test.after.always(() => dashboard[Symbol.asyncDispose]());

/** A request with headers that fetch sets by itself. */
function raw(path: string, headers: Readonly<Record<string, string>>, method = "GET"): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request(dashboard.url + path, { headers, method }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  sent.once("error", reject);
  sent.end();
  return promise;
}

/** A task that is done, and one whose id and error are HTML. */
const taskId = "hello/world";
const failed = "<img src=x>";

test.before(async () => {
  await dashboard.system.publish(HelloTask, { vo: "lhcb", payload: { name: "world" }, taskId });
  await dashboard.system.publish(HelloTask, { vo: "lhcb", payload: { name: "fail" }, taskId: failed });
  await dashboard.system.outcomeOf(taskId);
  await dashboard.system.outcomeOf(failed);
});

test("each page is there, says what it is, and loads nothing from elsewhere", async (t) => {
  for (const { path, nav } of PAGES) {
    const query = path === "/task" ? `?id=${encodeURIComponent(taskId)}` : "";
    const response = await dashboard.get(path + query);
    const text = await response.text();
    const needsMore = ["/group", "/letter", "/schedule", "/dead/confirm"].includes(path);
    t.is(response.status, needsMore ? 404 : 200, path);
    t.true(text.includes(`href="${nav}" aria-current="page"`), path);
    t.regex(response.headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'self'/);
    t.deepEqual([...text.matchAll(/(?:src|href|action)="(?:https?:)?\/\//g)], [], path);
    t.notRegex(text, /<script(?! src="\/assets\/)|<[^>]* (?:style|on[a-z]+)="/, path);
  }
});

test("each address of the API answers as its description says, and the description names them all", async (t) => {
  const description = await bodyOf(await dashboard.get("/api/openapi.json"));
  t.is(description.openapi, "3.1.0");
  t.deepEqual(
    Object.keys(description.paths),
    ROUTES.map(({ path }) => path),
  );
  const inPath: Record<string, string> = { "/api/tasks/{id}": `/api/tasks/${encodeURIComponent(taskId)}` };
  for (const { path, response: schema } of ROUTES) {
    const response = await dashboard.get(inPath[path] ?? path.replace(/\{\w+\}/, "99999"));
    const body = await bodyOf(response);
    if (path.includes("{") && inPath[path] === undefined) {
      t.is(response.status, 404, path);
      t.is(typeof body.error, "string", path);
      continue;
    }
    t.is(response.status, 200, `${path}: ${JSON.stringify(body)}`);
    const checked = schema.safeParse(body);
    t.true(checked.success, `${path}: ${checked.error?.message}`);
    t.deepEqual(checked.data, body, `${path} has fields that its description lacks`);
  }
  t.like(await bodyOf(await dashboard.get(`/api/tasks/${encodeURIComponent(taskId)}`)), {
    state: "done",
    task: "HelloTask",
  });
  t.is((await dashboard.get("/api/waiting?after=nonsense")).status, 400);
  t.is((await dashboard.get("/api/nothing")).status, 404);
});

test("what comes from outside is shown and never carried out", async (t) => {
  await dashboard.system.outcomeOf(failed);
  for (const path of [
    "/tasks",
    `/task?id=${encodeURIComponent(failed)}`,
    "/dead",
    `/locks?key=${encodeURIComponent('"><script>')}`,
  ]) {
    const text = await (await dashboard.get(path)).text();
    t.notRegex(text, /<img src=x|<b>no<\/b>|"><script>/, path);
  }
  t.regex(await (await dashboard.get(`/task?id=${encodeURIComponent(failed)}`)).text(), /&lt;b&gt;no&lt;\/b&gt; hello/);
});

test("a request under a name that is not ours is refused, so that no other site's name leads here", async (t) => {
  const names: Record<string, number> = {
    "127.0.0.1:1": 200,
    "localhost:7450": 200,
    "[::1]:7450": 200,
    "muster.example.org": 200,
    "evil.example.org": 421,
    "localhost.evil.org": 421,
  };
  for (const [host, status] of Object.entries(names)) t.is(await raw("/api/overview", { host }), status, host);
});

test("nothing is changed for another site, for nobody, or with a wrong token", async (t) => {
  const fields = { task: "HelloTask" };
  const post = (headers: Record<string, string>) => dashboard.post("/act/queue.pause", fields, headers);
  t.is((await post({ origin: "https://evil.example.org" })).status, 403);
  t.is((await post({ origin: "null" })).status, 403);
  t.is((await post({ "sec-fetch-site": "same-site" })).status, 403);
  t.is(await raw("/act/queue.pause", { cookie: await dashboard.signIn() }, "POST"), 403, "a cookie without an origin");
  const signedOut = await post({ cookie: "" });
  t.is(signedOut.status, 403);
  t.regex((await bodyOf(signedOut)).error, /^Sign in first/);
  for (const cookie of ["muster-session=x", "muster-session=e30.e30", `muster-session=${TOKEN}`]) {
    t.is((await post({ cookie })).status, 403, cookie);
  }
  t.is(
    (
      await fetch(`${dashboard.url}/act/queue.pause`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}x` },
      })
    ).status,
    403,
  );
  const { pauses } = await bodyOf(await dashboard.get("/api/queue"));
  t.false(JSON.stringify(pauses).includes("HelloTask"));
  const body = new URLSearchParams({ name: "ana", token: "wrong", to: "//evil.example.org" });
  const wrong = await fetch(`${dashboard.url}/sign-in`, { method: "POST", body, headers: { origin: dashboard.url } });
  t.deepEqual([wrong.status, wrong.headers.get("set-cookie")], [403, null]);
  t.is((await dashboard.get("/nothing")).status, 404);
});

test("of a hundred wrong tokens at once most are not even looked at, and a session goes on meanwhile", async (t) => {
  await using guessed = await dashboard.another();
  const cookie = await dashboard.signIn();
  const guess = (number: number) => {
    const body = new URLSearchParams({ name: "eve", token: `guess-${number}`, to: "/" });
    const authorization = `Bearer guess-${number}`;
    const sent = [
      ["/sign-in", { method: "POST", body, headers: { origin: guessed.url } }],
      ["/act/queue.pause", { method: "POST", headers: { authorization } }],
      ["/act/queue.pause", { method: "POST", headers: { authorization, origin: guessed.url } }],
    ] as const;
    const [path, request] = sent[number % 3] ?? sent[0];
    return fetch(guessed.url + path, { redirect: "manual", ...request }).then(({ status }) => status);
  };
  const guesses = Promise.all(Array.from({ length: 100 }, (_, number) => guess(number)));
  const headers = { origin: guessed.url, accept: "application/json", cookie };
  const act = await fetch(`${guessed.url}/act/queue.resume`, {
    method: "POST",
    headers,
    body: new URLSearchParams(),
  });
  t.is(act.status, 409, "it is carried out, and refused for what it asks");
  const statuses = new Set(await guesses);
  t.true(statuses.has(429), [...statuses].join(", "));
  t.false(statuses.has(200));
});

test("the sign-in leads back to a page of ours alone, with a cookie that no script and no other site gets", async (t) => {
  for (const [to, where] of [
    ["/dead?task=A", "/dead?task=A"],
    ["//evil.example.org/", "/"],
    ["https://evil.example.org/", "/"],
    ["/\\evil.example.org", "/"],
  ] as const) {
    const body = new URLSearchParams({ name: "ana", token: TOKEN, to });
    const response = await fetch(`${dashboard.url}/sign-in`, {
      method: "POST",
      body,
      redirect: "manual",
      headers: { origin: dashboard.url },
    });
    t.deepEqual([response.status, response.headers.get("location")], [303, where]);
    t.regex(response.headers.get("set-cookie") ?? "", /HttpOnly; SameSite=Strict/);
  }
});

test("without a token the pages show, and say how to set one", async (t) => {
  await using closed = await startTestDashboard({ token: "none", worker: "none" });
  const text = await (await closed.get("/")).text();
  t.regex(text, /Read-only: set <code>MUSTER_TOKEN<\/code>/);
  t.regex(text, /<body class="reads"/);
  const response = await closed.post("/act/queue.pause", { task: "HelloTask" });
  t.is(response.status, 403);
  t.regex((await bodyOf(response)).error, /MUSTER_TOKEN is not set/);
});

test("a dashboard that starts later knows what happened before, and a session of the one counts at the other", async (t) => {
  await using later = await dashboard.another();
  // An interval is shown once it has ended.
  const overview = await until(async () => {
    const shown = await bodyOf(await fetch(`${later.url}/api/overview`));
    const done = shown.intervals.reduce((sum: number, each: { readonly done: number }) => sum + each.done, 0);
    return done >= 1 ? shown : undefined;
  }, "the task that ended before");
  t.not(overview.startLatencyMs, null);
  t.true(overview.events.some((event: { readonly taskId: string }) => event.taskId === taskId));
  const headers = { origin: later.url, accept: "application/json", cookie: await dashboard.signIn() };
  const pause = (action: string) =>
    fetch(`${later.url}/act/${action}`, { method: "POST", headers, body: new URLSearchParams({ vo: "lhcb" }) });
  t.is((await pause("queue.pause")).status, 200);
  t.is((await pause("queue.resume")).status, 200);
});

test("viewers of a page are sent its updates, until they leave", async (t) => {
  const leaving = new AbortController();
  const watching = Array.from({ length: 3 }, () => {
    return fetch(`${dashboard.url}/queue`, { headers: { accept: "text/event-stream" }, signal: leaving.signal });
  });
  const [first] = await Promise.all(watching);
  t.is(first?.headers.get("content-type"), "text/event-stream");
  t.is(dashboard.viewers(), 3);
  let text = "";
  const decoder = new TextDecoder();
  await dashboard.post("/act/queue.pause", { vo: "vo.cta.in2p3.fr", reason: "to be seen" });
  for await (const chunk of first?.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("to be seen")) break;
  }
  t.regex(text, /^event: page\ndata: "/m);
  leaving.abort();
  while (dashboard.viewers() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  t.is((await dashboard.post("/act/queue.resume", { vo: "vo.cta.in2p3.fr" })).status, 200);
});
