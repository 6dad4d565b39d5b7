import { provisionChromium } from "@muster/local";
import { storeRaw } from "@muster/tasks/operate";
import test from "ava";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";
import { HelloTask, startTestDashboard, type TestDashboard, TOKEN } from "../testing/start_dashboard.ts";

/** Pages that every test of looks opens. */
const PATHS = [
  "/",
  "/ces",
  "/queue",
  "/tasks",
  "/groups",
  "/schedules",
  "/dead",
  "/locks",
  "/workers",
  "/configuration",
  "/audit",
  "/sign-in",
];
/** The program that judges a page, as a text that the browser runs. */
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Longest wait for what a page is to show, ms. */
const PATIENCE_MS = 60_000;

/** A real browser on a real dashboard; undefined on a machine that can have no browser. */
let browser: Browser | undefined;
let dashboard: TestDashboard;

test.before(async (t) => {
  const found = await provisionChromium((line) => t.log(line));
  if (found.path === undefined) {
    t.log(`no Chromium can be had: ${found.refusals.map(({ source, reason }) => `${source}: ${reason}`).join("; ")}`);
    return;
  }
  dashboard = await startTestDashboard();
  browser = await chromium.launch({
    executablePath: found.path,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    timeout: PATIENCE_MS,
  });
  await dashboard.system.publish(HelloTask, { vo: "lhcb", payload: { name: "world" }, taskId: "hello-world" });
  await dashboard.system.publish(HelloTask, { vo: "lhcb", payload: { name: "fail" }, taskId: "hello-fail" });
  await dashboard.system.outcomeOf("hello-fail");
});

test.after.always(async () => {
  await browser?.close();
  await dashboard?.[Symbol.asyncDispose]();
});

interface Look {
  readonly width: number;
  readonly scheme: "light" | "dark";
}

/** A page of a new visitor, and what its console said of errors. */
async function visit({
  width,
  scheme,
}: Look): Promise<(AsyncDisposable & { readonly page: Page; readonly complaints: string[] }) | undefined> {
  const context = await browser?.newContext({ viewport: { width, height: 800 }, colorScheme: scheme });
  const page = await context?.newPage();
  if (context === undefined || page === undefined) return undefined;
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${dashboard.url}/sign-in`);
  await page.getByLabel("Your name").fill("ana");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Acting as ana").waitFor();
}

/** What axe finds wrong in a page, by WCAG 2.2 AA and its best practices. */
async function judge(page: Page): Promise<readonly string[]> {
  // The page's own rules let no script in, so axe comes by the debugger's way.
  await page.evaluate(AXE);
  return await page.evaluate(async () => {
    const { axe } = globalThis as typeof globalThis & {
      readonly axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

for (const look of [
  { width: 1_280, scheme: "light" },
  { width: 360, scheme: "dark" },
] as const) {
  test(`every page passes axe and has no horizontal scroll, ${look.scheme} at ${look.width} px`, async (t) => {
    await using visitor = await visit(look);
    if (visitor === undefined) return t.pass();
    const { page, complaints } = visitor;
    await signIn(page);
    for (const path of [
      ...PATHS,
      "/task?id=hello-world",
      "/letter?sequence=1",
      "/schedule?task=TickTask&vo=_&instance=default",
    ]) {
      await page.goto(dashboard.url + path);
      t.deepEqual(await judge(page), [], path);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      t.true(Number(width) <= look.width, `${path} is ${width} px wide`);
    }
    t.deepEqual(complaints, []);
  });
}

// One after the other: six visitors at once keep two processors so busy that a page may take a minute.
test.serial("a page follows what happens without being loaded again, and what is chosen in it stays", async (t) => {
  await using visitor = await visit({ width: 1_280, scheme: "light" });
  if (visitor === undefined) return t.pass();
  const { page, complaints } = visitor;
  await signIn(page);
  await page.goto(`${dashboard.url}/dead`);
  const box = page.getByRole("checkbox").first();
  await box.check();
  await page.evaluate("window.isSame = true");
  await dashboard.system.publish(HelloTask, {
    vo: "vo.cta.in2p3.fr",
    payload: { name: "fail" },
    taskId: "second-fail",
  });
  await page.getByText("second-fail").waitFor();
  t.true(await page.locator("input[name=sequence][value='1']").isChecked());
  t.is(await page.evaluate("window.isSame"), true);
  t.deepEqual(complaints, []);
});

test.serial("an action is asked about, carried out without leaving the page, and told", async (t) => {
  await using visitor = await visit({ width: 1_280, scheme: "light" });
  if (visitor === undefined) return t.pass();
  const { page, complaints } = visitor;
  await page.goto(`${dashboard.url}/ces`);
  t.false(
    await page.getByRole("button", { name: "Disable ce02.example.org" }).isVisible(),
    "who may not act sees no button",
  );
  await signIn(page);
  await page.goto(`${dashboard.url}/ces`);
  page.once("dialog", (dialog) => void dialog.dismiss());
  await page.getByRole("button", { name: "Disable ce02.example.org" }).click();
  page.once("dialog", (dialog) => void dialog.accept());
  await page.getByRole("button", { name: "Disable ce02.example.org" }).click();
  await page.getByRole("status").getByText("Disabled ce02.example.org").waitFor();
  await page.getByRole("button", { name: "Enable ce02.example.org" }).click();
  await page.getByRole("status").getByText("Enabled ce02.example.org").waitFor();
  await page.goto(`${dashboard.url}/audit`);
  await page.getByText("ce.enable").waitFor();
  t.is(await page.getByText("ce.disable").count(), 1, "what was not confirmed was not done");
  t.deepEqual(complaints, []);
});

test.serial(
  "all is reached by the keyboard: pages by two letters, the search by a slash, the page by the first link",
  async (t) => {
    await using visitor = await visit({ width: 1_280, scheme: "dark" });
    if (visitor === undefined) return t.pass();
    const { page } = visitor;
    await page.goto(dashboard.url);
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.waitForURL("**/tasks");
    await page.keyboard.press("/");
    await page.keyboard.type("hello-world");
    await page.keyboard.press("Enter");
    await page.waitForURL(({ pathname, search }) => pathname === "/task" && search === "?id=hello-world");
    await page.getByText("done").first().waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    t.is(await page.evaluate("document.activeElement.id"), "main");
  },
);

/** Presses Tab, or Shift+Tab, until what is focused matches. Throws where it never does. */
async function tabTo(page: Page, selector: string, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press(key);
    if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)}) ?? false`)) return;
  }
  throw new Error(`Cannot reach ${selector} by ${key}`);
}

test.serial(
  "ten of many dead letters are requeued by the keyboard alone, and who only looks can turn the page",
  async (t) => {
    await using visitor = await visit({ width: 1_280, scheme: "light" });
    if (visitor === undefined) return t.pass();
    const { page, complaints } = visitor;
    const { broker } = dashboard.system;
    // Names as long as they may be, and what looks like HTML, for the tests of looks below.
    for (let number = 0; number < 55; number++) {
      broker.nc.publish(`dead.HelloTask.${"long-name-".repeat(6)}vo`, "<img src=x onerror=alert(1)>".repeat(9));
    }
    for (let number = 0; number < 10; number++) {
      const headers = [
        ["Task-Id", `again-${number}`],
        ["Dead-Subject", "tasks.HelloTask.lhcb"],
        ["Dead-Reason", `the CE was <b>down</b> ${"and down ".repeat(30)}`],
      ] as const;
      await storeRaw(broker, { subject: "dead.HelloTask.lhcb", body: JSON.stringify({ name: "again" }), headers });
    }
    await page.goto(`${dashboard.url}/dead`);
    await page.getByRole("link", { name: "Older" }).click();
    await page.getByRole("link", { name: "Newest" }).waitFor();
    await signIn(page);
    await page.locator("body").press("g");
    await page.keyboard.press("d");
    await page.waitForURL("**/dead");
    for (let number = 0; number < 10; number++) {
      await tabTo(page, "input[name=sequence]");
      await page.keyboard.press("Space");
    }
    t.is(await page.locator("input[name=sequence]:checked").count(), 10);
    await tabTo(page, "button[value=requeue]", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/dead/confirm?*");
    await tabTo(page, "input[name=confirmed]");
    await page.keyboard.type("10");
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Requeued 10 dead letters.").waitFor();
    for (let number = 0; number < 10; number++) await dashboard.system.outcomeOf(`again-${number}`);
    t.deepEqual(complaints, []);
  },
);

test.serial("light or dark stays as it was chosen", async (t) => {
  await using visitor = await visit({ width: 1_280, scheme: "light" });
  if (visitor === undefined) return t.pass();
  const { page } = visitor;
  await page.goto(dashboard.url);
  await page.getByRole("button", { name: "Dark" }).click();
  await page.goto(`${dashboard.url}/queue`);
  t.is(await page.evaluate("document.documentElement.dataset.theme"), "dark");
  t.is(await page.evaluate("getComputedStyle(document.documentElement).colorScheme"), "dark");
});
