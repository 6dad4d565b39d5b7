// Takes the pictures of the docs from a dashboard that runs, e.g. that of npm start:
//   npx node apps/dashboard/src/testing/take_pictures.ts http://127.0.0.1:7450 docs/images
import { provisionChromium } from "@muster/local";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** What is taken: the page, the width of the window, and light or dark. */
const PICTURES = [
  { name: "dashboard", path: "/", width: 1280, height: 900, scheme: "light" },
  { name: "dashboard-dark", path: "/", width: 1280, height: 900, scheme: "dark" },
  { name: "dashboard-ces", path: "/ces", width: 1280, height: 560, scheme: "light" },
  { name: "dashboard-phone", path: "/", width: 360, height: 760, scheme: "light" },
] as const;
/** Time for the first updates, ms. */
const SETTLE_MS = 2_500;

const [url = "http://127.0.0.1:7450", folder = "docs/images"] = process.argv.slice(2);
const found = await provisionChromium((line) => console.error(line));
if (found.path === undefined) throw new Error("Cannot take pictures: no Chromium can be had; set CHROMIUM to one");
const browser = await chromium.launch({ executablePath: found.path, args: ["--no-sandbox"] });
for (const { name, path, width, height, scheme } of PICTURES) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  await page.goto(url + path);
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.close();
}
await browser.close();
