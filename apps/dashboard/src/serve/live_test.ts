import test from "ava";
import { openLive, printMessage, type Viewer } from "./live.ts";

/** A viewer, and what it was sent. */
function newViewer(waitingBytes = 0): Viewer & { readonly sent: string[]; until(text: string): Promise<void> } {
  const sent: string[] = [];
  let look = () => {};
  return {
    sent,
    waitingBytes,
    write(text) {
      sent.push(text);
      look();
    },
    until(text) {
      return new Promise((resolve) => {
        look = () => void (sent.some((each) => each.includes(text)) && resolve());
        look();
      });
    },
  };
}

test("a page with 50 viewers is made once for all of them, and not at all once they have left", async (t) => {
  await using live = openLive();
  let made = 0;
  const page = { key: "/queue", everyMs: 5, render: async () => `made ${++made}` };
  const viewers = Array.from({ length: 50 }, () => newViewer());
  const leave = viewers.map((viewer) => live.watch(page, viewer));
  t.is(live.viewers, 50);
  await Promise.all(viewers.map((viewer) => viewer.until("made 3")));
  const messages = new Set(viewers.flatMap(({ sent }) => sent));
  t.true(messages.size <= made, "no viewer was sent what was made for another one");
  const late = newViewer();
  live.watch(page, late)?.();
  t.regex(late.sent[0] ?? "", /made/, "who comes late is sent what the others have");
  for (const each of leave) each?.();
  t.is(live.viewers, 0);
  const before = made;
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.true(made <= before + 1);
});

test("a page that has not changed is not sent again, and a failure leaves what was sent", async (t) => {
  await using live = openLive();
  let rounds = 0;
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const viewer = newViewer();
  const render = async () => {
    if (++rounds > 5) resolve();
    if (rounds === 3) throw new Error("NATS is away");
    return "the same";
  };
  live.watch({ key: "/", everyMs: 2, render }, viewer);
  await enough;
  t.deepEqual(viewer.sent, [printMessage("page", "the same")]);
});

test("a viewer that does not read is left out, and the number of viewers has an end", async (t) => {
  await using live = openLive();
  const [slow, quick] = [newViewer(2_000_000), newViewer()];
  const page = { key: "/", everyMs: 2, render: async () => "text\nwith lines" };
  live.watch(page, slow);
  live.watch(page, quick);
  await quick.until(String.raw`text\nwith lines`);
  t.deepEqual(slow.sent, []);
  let accepted = 0;
  for (let count = 0; count < 1_100; count++) if (live.watch(page, newViewer()) !== undefined) accepted++;
  t.is(accepted, 998);
});
