import test from "ava";
import { every } from "../calendar/schedule.ts";
import { withVo } from "../configuration/configuration.ts";
import { periodic } from "../schedule/_grid_test.ts";
import { createAgenda } from "./agenda.ts";
import { createDueQueue } from "./due_queue.ts";
import { planSchedules } from "./planned_schedule.ts";

test("a queue gives out what is due, earliest first, and nothing else", (t) => {
  const queue = createDueQueue<number>();
  const times = Array.from({ length: 1_000 }, (_, index) => (index * 7_919) % 1_009);
  for (const at of times) queue.add(at, at);
  queue.add(Number.POSITIVE_INFINITY, -1);
  const sorted = times.toSorted((a, b) => a - b);
  t.deepEqual(
    queue.take(500),
    sorted.filter((at) => at <= 500),
  );
  t.is(queue.nextAt, sorted.find((at) => at > 500) ?? Number.NaN);
  t.deepEqual(
    queue.take(Number.POSITIVE_INFINITY),
    sorted.filter((at) => at > 500),
  );
  t.is(queue.nextAt, Number.POSITIVE_INFINITY);
});

test("an agenda forgets what has left the plan, and what was put elsewhere since", (t) => {
  const tasks = [periodic("Tick", every({ seconds: 1 }))];
  const planFor = (...vos: readonly string[]) => {
    const configuration = vos.reduce((now, vo) => withVo(now, vo), { vos: {}, tasks: {} });
    return planSchedules({ tasks, configuration, before: new Map() }, () => t.fail());
  };
  const agenda = createAgenda();
  agenda.adopt(planFor("atlas", "lhcb"));
  const [atlas, lhcb] = agenda.take(0);
  if (atlas === undefined || lhcb === undefined) return t.fail();
  agenda.put(atlas, 20);
  agenda.put(atlas, 10);
  t.true(agenda.isOut(lhcb));
  agenda.put(lhcb, Number.POSITIVE_INFINITY);
  t.false(agenda.isOut(lhcb));
  t.deepEqual(agenda.take(100), [atlas], "once, though it lies in the queue twice");
  agenda.put(atlas, 10);
  agenda.adopt(planFor("lhcb"));
  const [anew, ...more] = agenda.take(100);
  t.is(anew?.planned.vo, "lhcb");
  t.deepEqual(more, []);
});
