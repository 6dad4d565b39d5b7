import test from "ava";
import { redactSetting, redactUrls } from "./redact.ts";

const cases: [title: string, text: string, redacted: string][] = [
  ["a password", "postgres://muster:s3cret@db:5432/muster", "postgres://muster:***@db:5432/muster"],
  ["a password that holds an @", "postgres://muster:p@ss@db/muster", "postgres://muster:***@db/muster"],
  ["a token", "nats://s3cret@broker:4222", "nats://***@broker:4222"],
  ["every server of a list", "nats://a:b@one:4222,nats://c@two:4222", "nats://a:***@one:4222,nats://***@two:4222"],
  [
    "a password given as a parameter",
    "postgres://db/muster?user=m&password=s3cret&ssl=1",
    "postgres://db/muster?user=m&password=***&ssl=1",
  ],
  ["a URL inside a sentence", `cannot reach "nats://t@b:1": refused`, `cannot reach "nats://***@b:1": refused`],
];
for (const [title, text, redacted] of cases) {
  test(`a text without its secrets: ${title}`, (t) => t.is(redactUrls(text), redacted));
}

test("a text without secrets stays as it is", (t) => {
  const text = "mail ops@example.org about http://127.0.0.1:8080/readyz";
  t.is(redactUrls(text), text);
});

test("a setting of URLs is shown without what should have been encoded in them", (t) => {
  t.is(redactSetting("nats://a:b@one:1,nats://c@two:2"), "nats://a:***@one:1,nats://***@two:2");
  t.is(redactSetting("nats://a:p@ss@one"), "nats://***@one");
  t.is(redactSetting("nats://a:p/s,s@one"), "nats://***@one");
  t.is(redactSetting("a:pass@one"), "***@one");
  t.is(redactSetting("80x"), "80x");
  t.is(redactSetting("postgres://muster:p#ss@db/muster"), "postgres://***@db/muster");
  t.is(redactSetting("nats://a:p?ss@one,nats://b@two"), "nats://***@one,nats://***@two");
  t.is(redactSetting("postgres://db/muster?password=s3cret#x@y"), "postgres://***@y");
  t.is(redactSetting("host=db user=muster password=s3cret"), "host=db user=muster password=***");
  t.is(redactSetting("password = 's3c\\' ret' host=db"), "password = *** host=db");
});
