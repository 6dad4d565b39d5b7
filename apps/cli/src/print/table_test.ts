import test from "ava";
import { type Column, renderTable } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { title: "NAME", align: "left" },
  { title: "COUNT", align: "right" },
  { title: "WHY", align: "left" },
];
const ROWS = [
  ["a-very-long-name-of-a-worker-that-goes-on", "17", "because the compute element was down for an hour"],
  ["short", "1234567", "no"],
];

test("a table that is wider than the terminal is cut to its width, the widest columns first, and numbers stay whole", (t) => {
  for (const width of [100, 80, 60, 40]) {
    const lines = renderTable(COLUMNS, ROWS, width);
    t.true(
      lines.every((line) => Array.from(line).length <= width),
      `${width}: ${lines.join("|")}`,
    );
    t.true(
      lines.some((line) => line.includes("1234567")),
      `${width}`,
    );
    t.is(
      lines.some((line) => line.includes("…")),
      width < 100,
      `${width}`,
    );
  }
  const [, first] = renderTable(COLUMNS, ROWS, 80);
  // Both long columns give, and neither vanishes.
  t.regex(first ?? "", /^a-very-long-name.*… +17 {2}because the compute.*…$/);
});

test("a table that fits is not cut", (t) => {
  const lines = renderTable(COLUMNS, ROWS, Number.MAX_SAFE_INTEGER);
  t.is(lines.length, 3);
  t.true(lines[1]?.endsWith("down for an hour"));
});

test("on a narrow terminal the rows can still be told apart, and columns that do not fit are left out whole", (t) => {
  const titles = ["TASK", "VO", "PRIORITY", "STATE", "#WAITING", "#IN HAND", "#DELAYED", "#OLDEST", "#PER MIN"];
  const columns = titles.map((title): Column => {
    return title.startsWith("#") ? { title: title.slice(1), align: "right" } : { title, align: "left" };
  });
  const names = ["MyPilotTask", "MyPilotReportTask", "MySubmitPilotsTask", "MySubmitPilotsCernTask"];
  const rows = names.flatMap((task) =>
    ["lhcb", "vo.cta.in2p3.fr", "vo.cta.infn.it"].map((vo) => [
      task,
      vo,
      "normal",
      "open",
      "1777",
      "3",
      "0",
      "2s",
      "356",
    ]),
  );
  for (const width of [80, 60, 50]) {
    const lines = renderTable(columns, rows, width);
    t.true(
      lines.every((line) => Array.from(line).length <= width),
      lines.join("\n"),
    );
    t.is(new Set(lines).size, lines.length, lines.join("\n"));
    t.regex(lines[0] ?? "", /…$/, `${width}`);
    t.notRegex(lines[1] ?? "", /[0-9]…/, `${width}`);
  }
  t.notRegex(renderTable(columns, rows, 120)[0] ?? "", /…/);
});
