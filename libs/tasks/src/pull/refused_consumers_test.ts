import test from "ava";
import { JetStreamApiError } from "@nats-io/jetstream";
import { describeRefusals, FORBIDDEN_PULL, refusalIn } from "./refused_consumers.ts";

const lane = (consumer: string, refusal: string | undefined, isPaused = false) => ({ consumer, refusal, isPaused });
const refused = (err_code: number, description: string) =>
  refusalIn(new JetStreamApiError({ code: 400, err_code, description }));

test("refused consumers are told in one line for each reason, the first by name; paused ones and those that were made are left out", (t) => {
  const lanes = [
    ...["A__x", "B__x", "C__x", "D__x"].map((name) => lane(name, "full")),
    ...[lane("E__x", "else"), lane("F__x", "full", true), lane("G__x", undefined), lane("H__x", FORBIDDEN_PULL)],
  ];
  t.deepEqual(describeRefusals(lanes), [
    "cannot create consumers A__x, B__x, C__x and 1 more, so these tasks reach nobody; full",
    "cannot create consumer E__x, so these tasks reach nobody; else",
    `cannot pull from consumer H__x, so these tasks reach nobody; ${FORBIDDEN_PULL}`,
  ]);
});

test("a limit of consumers says what to raise; what passes by itself, and what is told elsewhere, is no refusal", (t) => {
  t.is(
    refused(10026, "maximum consumers limit reached"),
    "JetStream says: maximum consumers limit reached; raise max_consumers of the account, or delete consumers of TASKS that nobody needs",
  );
  t.is(refused(10023, "insufficient resources"), "JetStream says: insufficient resources; see the log of nats-server");
  t.is(refused(10008, "JetStream system temporarily unavailable"), undefined);
  t.is(refusalIn(new Error("timeout")), undefined);
});
