import test from "ava";
import { lineFormat, lineStyle, logInto } from "./log.ts";

function logged(onTerminal: boolean, write: (log: ReturnType<typeof logInto>) => void): string {
  const format = lineFormat(onTerminal ? "coloured" : "json");
  const lines: string[] = [];
  write(logInto({ write: (line) => void lines.push(format(line)) }, "submit-worker", "info"));
  return lines.join("");
}

test("off a terminal a line is one JSON object with level, time, app and process", (t) => {
  const line = logged(false, (log) => log.info({ taskId: "a/1" }, "done"));
  t.true(line.endsWith("\n"));
  const fields: unknown = JSON.parse(line);
  t.like(fields, { level: "info", name: "submit-worker", pid: process.pid, taskId: "a/1", msg: "done" });
  t.regex(line, /"time":"\d{4}-\d\d-\d\dT[\d:.]+Z"/);
});

test("on a terminal a line is for people", (t) => {
  const line = logged(true, (log) => log.warn({ taskId: "a/1" }, "gone"));
  t.regex(line, /WARN.*submit-worker.*gone.*"taskId":"a\/1"/s);
});

test("NO_COLOR and a terminal that knows no colours are heeded, and FORCE_COLOR goes before them", (t) => {
  const colours = { TERM: "xterm-256color" };
  t.is(lineStyle(true, colours), "coloured");
  t.is(lineStyle(true, { ...colours, NO_COLOR: "1" }), "plain");
  t.is(lineStyle(true, { ...colours, NO_COLOR: "" }), "coloured", "set to nothing it counts as unset");
  t.is(lineStyle(true, { TERM: "dumb" }), "plain");
  t.is(lineStyle(true, { TERM: "dumb", FORCE_COLOR: "1" }), "coloured");
  t.is(lineStyle(false, { ...colours, FORCE_COLOR: "1" }), "json", "what no person reads has no colours");
  const lines: string[] = [];
  const format = lineFormat("plain");
  logInto({ write: (line) => void lines.push(format(line)) }, "up", "info").warn({ taskId: "a/1" }, "gone");
  t.regex(lines.join(""), /WARN \(up\): gone \{"taskId":"a\/1"\}/);
  t.notRegex(lines.join(""), /\u001b/);
});

test("a level below the chosen one is not logged", (t) => {
  t.is(
    logged(false, (log) => log.debug("hidden")),
    "",
  );
});

for (const onTerminal of [false, true]) {
  const where = onTerminal ? "on a terminal" : "in JSON";
  test(`control characters in message, fields and errors are shown as text ${where}`, (t) => {
    const evil = "\u001b]0;owned\u0007\u009b2J\u202e";
    const line = logged(onTerminal, (log) => log.error({ ceName: evil, err: new Error(evil) }, `cannot reach ${evil}`));
    // The colours that a terminal's line has are ours.
    const others = line.replaceAll(/\u001b\[\d+m/g, "");
    t.notRegex(others, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    t.regex(others, /0;owned/);
  });

  test(`no secret of a URL is logged ${where}`, (t) => {
    const url = "postgres://muster:s3cret@db/muster";
    const line = logged(onTerminal, (log) =>
      log.error({ url, err: new Error(`no answer from ${url}`) }, `cannot open ${url}`),
    );
    t.notRegex(line, /s3cret/);
    t.regex(line, /postgres:\/\/muster:\*\*\*@db/);
  });
}

for (const onTerminal of [false, true]) {
  test(`no field that is named as a secret is logged ${onTerminal ? "on a terminal" : "in JSON"}`, (t) => {
    const nested = { natsToken: 'a"s3cret', fencingToken: 7 };
    const line = logged(onTerminal, (log) =>
      log.info({ password: "s3cret", nested, Authorization: "Bearer s3cret", tokens: "shown" }, "asked"),
    );
    t.notRegex(line, /s3cret/);
    t.regex(line, /"fencingToken":7/);
    t.regex(line, /"tokens":"shown"/);
  });
}

test("a line feed in a message cannot forge a second line on a terminal", (t) => {
  const line = logged(true, (log) => log.info("bad name\n12:00:00 INFO all is well"));
  t.is(line.trimEnd().split("\n").length, 1);
});
