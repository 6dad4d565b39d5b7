import { headers as newHeaders } from "@nats-io/nats-core";
import test from "ava";
import { attemptOf, boundId, checkTaskId, readAckReply, taskIdOf } from "./delivery.ts";

const delivery = { stream: "TASKS", streamSequence: 17, storedAtNs: "1795590560042005123" };

function headersOf(entries: Record<string, string>) {
  const headers = newHeaders();
  for (const [key, value] of Object.entries(entries)) headers.set(key, value);
  return headers;
}

test("an ack's subject is read in its short form and in its long one, and the time keeps all its digits", (t) => {
  const expected = { ...delivery, consumer: "PilotTask__lhcb", count: 3, consumerSequence: 9, pending: 42 };
  t.deepEqual(readAckReply("$JS.ACK.TASKS.PilotTask__lhcb.3.17.9.1795590560042005123.42"), expected);
  const long = "$JS.ACK.hub.ACCHASH.TASKS.PilotTask__lhcb.3.17.9.1795590560042005123.42.token";
  t.deepEqual(readAckReply(long), expected);
  t.throws(() => readAckReply("_INBOX.a.b"), { instanceOf: SyntaxError });
});

test("an id is Task-Id, else Nats-Msg-Id, else the scheduler's last token, else the place in the stream", (t) => {
  const scheduler = { "Nats-Scheduler": "later.PilotTask.vo.cta.in2p3.fr.a=2Fb" };
  t.is(taskIdOf(headersOf({ "Task-Id": "a", "Nats-Msg-Id": "b", ...scheduler }), delivery), "a");
  t.is(taskIdOf(headersOf({ "Nats-Msg-Id": "b", ...scheduler }), delivery), "b");
  t.is(taskIdOf(headersOf(scheduler), delivery), "a/b");
  t.is(taskIdOf(headersOf({ "Nats-Scheduler": "later.PilotTask.lhcb.a=2" }), delivery), "a=2");
  t.is(taskIdOf(headersOf({}), delivery), "TASKS-17-1795590560042005123");
  t.is(taskIdOf(undefined, delivery), "TASKS-17-1795590560042005123");
});

test("an id of 200 bytes stays, and a longer one is its hash", (t) => {
  t.is(boundId("ü".repeat(100)), "ü".repeat(100));
  t.regex(boundId("ü".repeat(101)), /^sha256-[0-9a-f]{64}$/);
});

test("an id that a header or the database would change is refused", (t) => {
  for (const id of ["a", "job/17", "ü <b>", "=", "a\u{1f6f0}b"]) t.is(checkTaskId(id), id);
  for (const id of ["", " a", "a ", "a\nb", "a\0b", "a\u007f", "a\ud800b"])
    t.throws(() => checkTaskId(id), { name: "InvalidNameError" });
});

test("an attempt is a whole number from 1 to a million, and 1 where nothing is said", (t) => {
  t.is(attemptOf(undefined), 1);
  t.is(attemptOf(headersOf({})), 1);
  t.is(attemptOf(headersOf({ "Task-Attempt": "7" })), 7);
  for (const text of ["0", "-1", "1.5", "1e3", "0x10", "1000001", "seven"]) {
    t.throws(
      () => attemptOf(headersOf({ "Task-Attempt": text })),
      { name: "InvalidNameError", message: /Task-Attempt/ },
      text,
    );
  }
});
