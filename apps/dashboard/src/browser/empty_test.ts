import { provisionChromium } from "@muster/local";
import { listCes } from "@muster/logic";
import test, { type ExecutionContext } from "ava";
import { type Browser, chromium, type Page } from "playwright-core";
import { ACTIONS } from "../act/actions.ts";
import { startTestDashboard, type TestDashboard, TOKEN } from "../testing/start_dashboard.ts";

/** Longest wait for what a page is to show, ms. */
const PATIENCE_MS = 60_000;

/** A dashboard of a system in which nothing has happened, under the user of NATS that Muster ships for it; undefined browser: none can be had. */
let browser: Browser | undefined;
let dashboard: TestDashboard;

test.before(async (t) => {
  dashboard = await startTestDashboard({ worker: "none", users: "shipped" });
  const found = await provisionChromium((line) => t.log(line));
  if (found.path === undefined) return t.log("no Chromium can be had");
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  browser = await chromium.launch({ executablePath: found.path, args, timeout: PATIENCE_MS });
});

test.after.always(async () => {
  await browser?.close();
  await dashboard?.[Symbol.asyncDispose]();
});

/** What stands on a page where there is nothing, and how it comes to be otherwise. */
const EMPTY: readonly (readonly [path: string, ...told: readonly string[]])[] = [
  ["/", "Nothing has happened yet", "muster task publish MyPilotReportTask"],
  ["/ces?name=nowhere", "No CE has this in its name"],
  ["/queue", "Nothing waits", "muster task publish MyPilotReportTask"],
  ["/tasks", "Nothing waits", "No step was told yet", "muster task publish MyPilotReportTask"],
  ["/tasks?task=MyPilotTask&vo=lhcb&step=done", "Nothing of this waits", "No step of the last ones matches"],
  ["/task?id=nobody", "Nothing is known of a task of this id", "muster task list"],
  ["/groups", "There is no group", "spawnGroup", "muster task publish"],
  ["/dead", "There is no dead letter", "muster dead list"],
  ["/dead?reason=nothing", "No dead letter matches", "Show all"],
  ["/locks", "No lock is held", "muster config apply"],
  ["/workers", "No worker runs", "npm start"],
  ["/audit", "Nothing was done by hand", "muster queue pause MyPilotTask"],
  ["/audit?who=nobody", "No record matches"],
];
const FULL = ["/ces", "/schedules", "/configuration", "/sign-in"];

async function look(t: ExecutionContext, page: Page, [path, ...told]: (typeof EMPTY)[number]): Promise<void> {
  await page.goto(dashboard.url + path);
  const text = (await page.locator("main").textContent()) ?? "";
  t.notRegex(text, /cannot be shown|lacks the permission|Not found/i, path);
  for (const each of told) t.true(text.includes(each), `${path} says ${each}: ${text}`);
}

for (const { width, scheme } of [
  { width: 1_280, scheme: "light" },
  { width: 360, scheme: "dark" },
] as const) {
  test(`under the user that may only look each page works, and where there is nothing it says what would be there, ${scheme} at ${width} px`, async (t) => {
    const context = await browser?.newContext({ viewport: { width, height: 800 }, colorScheme: scheme });
    const page = await context?.newPage();
    if (page === undefined) return t.pass();
    page.setDefaultTimeout(PATIENCE_MS);
    const complaints: string[] = [];
    page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
    for (const row of EMPTY) {
      await look(t, page, row);
      t.true(Number(await page.evaluate("document.documentElement.scrollWidth")) <= width, `${row[0]} is too wide`);
    }
    for (const path of FULL) await look(t, page, [path]);
    t.deepEqual(complaints, []);
    await context?.close();
  });
}

test("under the user that may only look nothing can be done: each action says so, does nothing and asks NATS for nothing", async (t) => {
  const before = await dashboard.database.transaction((transaction) => listCes(transaction));
  for (const name of ACTIONS.keys()) {
    const response = await dashboard.post(`/act/${name}`, {
      name: "ce01.example.org",
      task: "TickTask",
      id: "x",
      key: "x",
    });
    t.is(response.status, 409, name);
    const { error } = (await response.json()) as { readonly error: string };
    t.regex(
      error,
      /^Nothing was done: the NATS user of this dashboard may only look\. To act, run the dashboard as /,
      name,
    );
  }
  t.deepEqual(await dashboard.database.transaction((transaction) => listCes(transaction)), before);
  if (browser === undefined) return;
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${dashboard.url}/sign-in?to=/ces`);
  await page.getByLabel("Your name").fill("ana");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  page.once("dialog", (dialog) => void dialog.accept());
  await page.getByRole("button", { name: "Disable ce01.example.org" }).click();
  await page.getByRole("status").getByText("may only look").waitFor();
  await page.close();
});
