import { type ConsumerMessages, JetStreamError, type JsMsg } from "@nats-io/jetstream";
import test from "ava";
import { fetchPage } from "./fetch_page.ts";

/** A consumer whose first pulls meet nobody. */
function unheardFor(pulls: number, code = 503) {
  let pulled = 0;
  return {
    pulled: () => pulled,
    async fetch(): Promise<ConsumerMessages> {
      const isUnheard = pulled++ < pulls;
      async function* messages(): AsyncGenerator<JsMsg> {
        if (isUnheard) throw Object.assign(new JetStreamError("no responders"), { code });
        yield { seq: 1 } as JsMsg;
      }
      return messages() as AsyncGenerator<JsMsg> & ConsumerMessages;
    },
  };
}

test("a consumer that our server does not know of yet is asked again, and another refusal is thrown at once", async (t) => {
  const consumer = unheardFor(2);
  const found: number[] = [];
  for await (const { seq } of fetchPage(consumer, { max_messages: 1 })) found.push(seq);
  t.deepEqual([found, consumer.pulled()], [[1], 3]);
  const refused = unheardFor(1, 409);
  const pages = fetchPage(refused, { max_messages: 1 });
  await t.throwsAsync(pages.next(), { instanceOf: JetStreamError });
  t.is(refused.pulled(), 1);
});
