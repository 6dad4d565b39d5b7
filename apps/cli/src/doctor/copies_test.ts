import type { StreamCopy, StreamState } from "@muster/tasks/operate";
import test from "ava";
import { judgeCopies } from "./copies.ts";

function stream(name: string, number: number, others: readonly StreamCopy[]): StreamState {
  const copies = { number, others };
  return { name, state: "there", createdAt: new Date(0), messages: 0, bytes: 0, differences: [], copies };
}

const current = (server: string): StreamCopy => ({ server, state: "current", lag: 0 });
const WANTED = { atLeast: 3, by: "default" } as const;

test("on a single server copies are no matter", (t) => {
  const single = { ...stream("TASKS", 1, []), copies: undefined };
  t.deepEqual(judgeCopies([single], { atLeast: 1, by: "default" }), []);
});

test("a cluster whose streams have all copies is well", (t) => {
  const [finding, ...more] = judgeCopies([stream("TASKS", 3, [current("b"), current("c")])], WANTED);
  t.like(finding, { state: "good", text: "each stream has 3 at least, all up to date" });
  t.deepEqual(more, []);
});

test("a server that is away is named with the streams that it holds a copy of", (t) => {
  const away: StreamCopy = { server: "c", state: "away", lag: 7 };
  const streams = ["TASKS", "LATER"].map((name) => stream(name, 3, [current("b"), away]));
  t.deepEqual(judgeCopies(streams, WANTED), [
    {
      about: "copies",
      state: "bad",
      text: "c is away, and holds a copy of TASKS, LATER; start it: the loss of one more stops them",
    },
  ]);
});

test("a copy that is behind is a warning, with the most that it lacks", (t) => {
  const behind = (lag: number): StreamCopy => ({ server: "c", state: "behind", lag });
  const streams = [stream("TASKS", 3, [behind(1_200)]), stream("LATER", 3, [behind(3)])];
  t.deepEqual(judgeCopies(streams, WANTED), [
    {
      about: "copies",
      state: "warning",
      text: "c is behind with TASKS, LATER, by up to 1,200 operations; see that it runs: it catches up by itself",
    },
  ]);
});

test("streams with fewer copies than set are named, with who says so", (t) => {
  const streams = [stream("TASKS", 1, []), stream("LATER", 3, []), stream("EVENTS", 1, [])];
  const [finding] = judgeCopies(streams, { atLeast: 3, by: "setting" });
  t.is(finding?.state, "bad");
  t.regex(finding?.text ?? "", /^1 copy of TASKS, EVENTS, and MUSTER_REPLICAS says 3; any running app adds them/);
  t.regex(judgeCopies(streams, WANTED)[0]?.text ?? "", /a cluster should have 3/);
});

test("streams without a leader come first, with what to start", (t) => {
  const unknown = { createdAt: undefined, messages: 0, bytes: 0, differences: [], copies: undefined };
  const [finding] = judgeCopies([{ name: "TASKS", state: "no leader", ...unknown }], WANTED);
  t.is(finding?.state, "bad");
  t.regex(finding?.text ?? "", /^no leader of TASKS: nothing can be stored there; start the nats-servers/);
});
