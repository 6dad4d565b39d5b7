import test from "ava";
import { atLeastOnceFactory, type Priority } from "../definition/task.ts";
import { Buffer, type InHand } from "./hand.ts";

const define = atLeastOnceFactory();

/** A task in hand as far as the buffer looks at it. */
function inHand(priority: Priority, vo: string, number: number): InHand & { readonly label: string } {
  const definition = define({ name: `Task_${priority}`, per: "vo", priority, execute() {} });
  return {
    label: `${priority} ${vo} ${number}`,
    received: {
      definition,
      vo,
      subject: `tasks.${definition.name}.${vo}`,
      headers: undefined,
      body: new Uint8Array(),
      ack: `ack.${priority}.${vo}.${number}`,
      delivery: {
        stream: "TASKS",
        consumer: "any",
        count: 1,
        streamSequence: number,
        consumerSequence: number,
        storedAtNs: "0",
        pending: 0,
      },
      isFirst: true,
      pulledAtMs: 0,
      untilMs: 0,
      held: undefined,
      starts: undefined,
    },
    waiter: { resume() {} },
    place: undefined,
    waitsSinceMs: undefined,
    waitLimit: undefined,
  };
}

function takeAll(buffer: Buffer, labels: ReadonlyMap<InHand, string>, mayStart = (_: Priority) => true): string[] {
  const taken: string[] = [];
  for (let next = buffer.next(mayStart); next !== undefined; next = buffer.next(mayStart)) {
    taken.push(labels.get(next) ?? "?");
  }
  return taken;
}

test("what is in hand starts by priority, what waited for a lock before what was just pulled, and VOs in turn", (t) => {
  const buffer = new Buffer();
  const labels = new Map<InHand, string>();
  const make = (priority: Priority, vo: string, number: number) => {
    const task = inHand(priority, vo, number);
    labels.set(task, task.label);
    return task;
  };
  buffer.add(make("background", "lhcb", 1));
  for (const number of [1, 2, 3]) buffer.add(make("normal", "lhcb", number));
  buffer.add(make("normal", "atlas", 1));
  buffer.resume(make("normal", "cms", 1));
  buffer.add(make("realtime", "lhcb", 1));
  t.is(buffer.size, 7);
  t.deepEqual(takeAll(buffer, labels), [
    "realtime lhcb 1",
    "normal cms 1",
    "normal lhcb 1",
    "normal atlas 1",
    "normal lhcb 2",
    "normal lhcb 3",
    "background lhcb 1",
  ]);
  t.is(buffer.size, 0);
});

test("nothing starts in place of a more urgent task that may not start yet", (t) => {
  const buffer = new Buffer();
  buffer.add(inHand("background", "lhcb", 1));
  buffer.add(inHand("normal", "lhcb", 1));
  t.is(
    buffer.next((priority) => priority === "background"),
    undefined,
  );
  t.is(buffer.size, 2);
});
