import test from "ava";
import type { ReadyFacts } from "./display.ts";
import type { Snapshot } from "../figures/snapshot.ts";
import { type Frame, renderBar, renderDuration, renderFrame } from "./render.ts";

const ce = { enabled: true, capacity: 4, successRate: 1, vos: null, active: 2, done: 30, failed: 1 };
const share = { submitted: 1, running: 1, done: 15, failed: 1 };
const snapshot: Snapshot = {
  ces: [
    { ...ce, name: "ce01.example.org" },
    { ...ce, name: "ce02.example.org", enabled: false, active: 0 },
  ],
  shares: [
    { ...share, ceName: "ce01.example.org", vo: "vo.cta.in2p3.fr" },
    { ...share, ceName: "ce01.example.org", vo: "lhcb" },
    { ...share, ceName: "ce02.example.org", vo: "lhcb" },
  ],
  summary: {
    pilots: { SUBMITTED: 3, RUNNING: 3, DONE: 45, FAILED: 3 },
    tasks: { done: 90, failed: 7, dead: 1 },
    maxActiveOverCapacity: 0,
  },
  deadLetters: 12,
};
const readyAt = new Date("2026-08-01T12:00:00Z");
const facts: ReadyFacts = {
  dashboard: { url: "http://127.0.0.1:7450", token: "let-me-in" },
  natsUrl: "nats://127.0.0.1:4222",
  databaseUrl: "postgres://postgres:***@127.0.0.1:54329/muster",
  dataDir: "/home/ana/muster/.muster",
  hasNats: true,
  readyAt,
};

function frame(other: Partial<Frame> = {}): string[] {
  const now = new Date(readyAt.getTime() + 65_000);
  return renderFrame({ facts, snapshot, happenings: [], now, columns: 100, rows: 40, ...other });
}

test("each CE has its capacity, its active pilots and how the others ended", (t) => {
  const lines = frame();
  t.true(lines.some((line) => /^ce01\.example\.org +4 +2 +██████░░░░░░ +30 +1$/.test(line)));
  t.true(lines.some((line) => line.startsWith("ce02.example.org (disabled)")));
});

test("a VO's pilots are those of all CEs together", (t) => {
  t.true(frame().some((line) => /^lhcb +2 +2 +30 +2$/.test(line)));
  t.true(frame().some((line) => /^vo\.cta\.in2p3\.fr +1 +1 +15 +1$/.test(line)));
});

test("the first line tells where the dashboard is, and the token that lets somebody act there", (t) => {
  t.is(frame()[0], "Dashboard: http://127.0.0.1:7450   token to act there: let-me-in");
});

test("the head tells how long it runs, when it stops and how the tasks ended", (t) => {
  t.regex(frame()[1] ?? "", /up 01:05 .*Ctrl-C stops.*90 done, 7 failed {3}12 dead letters/);
  t.regex(frame({ snapshot: { ...snapshot, deadLetters: undefined } })[1] ?? "", /dead letters: unknown/);
  const endsAt = new Date(readyAt.getTime() + 70_000);
  t.regex(frame({ facts: { ...facts, endsAt } })[1] ?? "", /stops in 00:05/);
});

test("what comes from outside cannot act on the terminal", (t) => {
  const evil = "\x1b[31mred\x07\n";
  const lines = frame({
    snapshot: {
      ...snapshot,
      ces: [{ ...ce, name: evil }],
      shares: [{ ...share, ceName: evil, vo: evil }],
    },
    happenings: [{ at: readyAt, text: `MyPilotTask lhcb dead: ${evil}` }],
  });
  t.is(lines.filter((line) => line.includes("\\x1b[31mred\\x07\\n")).length, 3);
  t.false(lines.some((line) => /\p{Cc}/u.test(line)));
});

test("a frame fits the terminal, and leaves room for what just happened", (t) => {
  const ces = Array.from({ length: 100 }, (_, index) => ({ ...ce, name: `ce${index}.${"long-".repeat(30)}org` }));
  const happenings = Array.from({ length: 50 }, (_, index) => ({ at: readyAt, text: `happening ${index}` }));
  const lines = frame({ snapshot: { ...snapshot, ces }, happenings, columns: 60, rows: 24 });
  t.is(lines.length, 24);
  t.true(lines.every((line) => Array.from(line).length <= 60));
  t.true(lines.at(-1)?.includes("happening 49"));
  t.true(lines.some((line) => line.includes("more lines")));
});

test("the command to try names a CE and a VO that there are, and can be copied whole from a narrow terminal", (t) => {
  t.true(frame().includes(`Try: nats pub -s nats://127.0.0.1:4222 tasks.MyPilotTask.vo.cta.in2p3.fr \\`));
  for (const columns of [40, 60, 80, 200]) {
    const lines = frame({ columns });
    const start = lines.findIndex((line) => line.startsWith("Try: "));
    const end = lines.findIndex((line, index) => index >= start && !line.endsWith("\\"));
    const command = lines.slice(start, end + 1).map((line) => line.replace(/ \\$/, "").trim());
    t.is(
      command.join(" "),
      `Try: nats pub -s nats://127.0.0.1:4222 tasks.MyPilotTask.vo.cta.in2p3.fr '{"ceName":"ce01.example.org"}'`,
    );
    t.true(lines.some((line) => line.includes("data in /home/ana/muster/.muster")));
  }
});

test("whoever lacks the nats command is told to try muster pub, on the same server", (t) => {
  const lines = frame({ facts: { ...facts, hasNats: false }, columns: 200 });
  t.true(
    lines.includes(
      `Try: NATS_URL=nats://127.0.0.1:4222 npx muster pub tasks.MyPilotTask.vo.cta.in2p3.fr '{"ceName":"ce01.example.org"}'`,
    ),
    lines.join("\n"),
  );
});

test("what a shell would act on is not put into the command to try", (t) => {
  const name = "x'; rm -rf ~; '";
  const evil = { ...snapshot, ces: [{ ...ce, name }], shares: [{ ...share, ceName: name, vo: "lhcb" }] };
  t.false(frame({ snapshot: evil, columns: 200 }).some((line) => line.startsWith("Try") && line.includes("rm")));
});

test("the command to try names no VO that its CE lets nobody of in", (t) => {
  const ces = snapshot.ces.map((each) => ({ ...each, vos: ["lhcb"] }));
  t.true(frame({ snapshot: { ...snapshot, ces }, columns: 200 }).some((line) => line.includes("MyPilotTask.lhcb ")));
});

test("a bar shows the share of taken slots, also beyond the capacity", (t) => {
  t.is(renderBar(0, 10), "░".repeat(12));
  t.is(renderBar(1, 1_000), `█${"░".repeat(11)}`);
  t.is(renderBar(5, 4), "█".repeat(12));
  t.is(renderBar(3, 0), "░".repeat(12));
});

test("durations are read as on a clock", (t) => {
  t.is(renderDuration(59_999), "00:59");
  t.is(renderDuration(3_723_000), "1:02:03");
  t.is(renderDuration(-5), "00:00");
});
