import test from "ava";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawPage, type MeasuredRow } from "./page.ts";

const RUN = {
  startedAt: "2026-11-25T06:37:00.000Z",
  node: "v26.10.0",
  cores: 2,
  processor: "a processor",
  load: 0.5,
  commit: "abc1234",
};

function row(name: string, rate: number): MeasuredRow {
  return {
    row: name,
    title: `${name} of tasks`,
    durability: "lazy",
    figures: [{ contender: "muster", what: name, unit: "tasks/s", rounds: [rate, rate + 2] }],
    targets: [{ name: `${name} vs raw`, ratio: rate / 1_000, atLeast: 0.5 }],
    notes: [],
    run: RUN,
  };
}

test("a page keeps what people wrote and the rows of earlier runs, and takes a row's newest figures", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-page-"));
  const file = join(folder.path, "performance.md");
  await writeFile(file, "# Performance\n\nWhat was found.\n");
  await drawPage(folder.path, [row("drain", 100), row("publish", 200)], ["drain", "publish"]);
  await drawPage(folder.path, [row("drain", 900)], ["drain", "publish"]);
  const page = await readFile(file, "utf8");
  t.true(page.startsWith("# Performance\n\nWhat was found.\n"));
  t.true(page.includes("| drain vs raw | 0.90 | ≥ 0.5 | met |"));
  t.true(page.includes("| publish vs raw | **0.20** | ≥ 0.5 | missed |"));
  t.is(page.split("### drain").length, 2);
});

test("each chart that has lines is drawn as a picture and shown on the page", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-page-"));
  const lines = [
    {
      chart: "rate-by-vos",
      name: "muster <drain>",
      points: [
        [1, 900],
        [200, 450],
      ],
    },
  ] as const;
  await drawPage(folder.path, [{ ...row("growth", 1), lines }], ["growth"]);
  const picture = await readFile(join(folder.path, "performance", "rate-by-vos.svg"), "utf8");
  t.true(picture.includes("muster &lt;drain&gt;"));
  t.regex(await readFile(join(folder.path, "performance.md"), "utf8"), /!\[.*\]\(performance\/rate-by-vos\.svg\)/);
});
