import test from "ava";
import { createMessageIds, type MessageIds } from "./message_ids.ts";

function bornAt(times: Readonly<Record<string, string>>): MessageIds {
  const ids = createMessageIds();
  for (const [name, created] of Object.entries(times))
    ids.note({ config: { name }, created } as Parameters<MessageIds["note"]>[0]);
  return ids;
}

const TIMES = { TASKS: "2027-01-31T12:00:00.123456789Z", LATER: "2027-01-31T12:00:00.987654321Z" };

test("all processes of one account give a message the same id, whatever else they have seen", (t) => {
  const ids = bornAt(TIMES);
  t.is(bornAt({ LATER: TIMES.LATER, EVENTS: "2027-01-31T12:00:01Z", TASKS: TIMES.TASKS }).of("a"), ids.of("a"));
  t.not(ids.of("a"), ids.of("b"));
  t.notRegex(ids.of("a".repeat(200)), /aaa/);
});

test("an id cannot be told from the name of a message without the moments at which the streams were made", (t) => {
  const ids = bornAt(TIMES);
  t.not(bornAt({ ...TIMES, TASKS: "2027-01-31T12:00:00.123456788Z" }).of("a"), ids.of("a"));
  t.not(bornAt({ ...TIMES, LATER: "2027-01-31T12:00:00.987654320Z" }).of("a"), ids.of("a"));
});
