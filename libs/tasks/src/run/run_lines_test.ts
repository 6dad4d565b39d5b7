import test from "ava";
import { createRunLines, MOST_TOLD } from "./run_lines.ts";

function written() {
  const lines: unknown[] = [];
  const told: string[] = [];
  const log = createRunLines({
    write: (line) => void lines.push(line),
    tell: (level, text) => void told.push(`${level} ${text}`),
  });
  return { log, lines, told };
}

test("a run's lines from level info on are told as events, each in one line of at most 1 KiB", (t) => {
  const { log, lines, told } = written();
  const loop: { self?: object } = {};
  loop.self = loop;
  log.debug("looking");
  log.info("asked", { ceName: "ce01", seconds: 3n });
  log.warn("slow\n\u001b[31m", { cause: new Error("timeout") });
  log.error("odd", loop);
  log.info("long".repeat(1_000));
  log.end();
  t.is(lines.length, 5);
  t.like(lines[0], { level: "debug", message: "looking", text: "looking" });
  t.deepEqual(told.slice(0, 3), [
    'info asked {"ceName":"ce01","seconds":"3"}',
    'warn slow [31m {"cause":"Error: timeout"}',
    "error odd (its fields are no JSON)",
  ]);
  t.is(Buffer.byteLength(told[3] ?? ""), 5 + 1_021);
});

test("a run that writes without end tells fifty lines, and at its end how many it has left out", (t) => {
  const { log, lines, told } = written();
  for (let n = 0; n < MOST_TOLD + 3; n++) log.info(`line ${n}`);
  t.is(told.length, MOST_TOLD);
  log.end();
  t.is(lines.length, MOST_TOLD + 3);
  t.is(told.at(-1), "warn 3 more lines of this run are in its worker's log alone");
});
