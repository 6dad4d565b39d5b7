import test from "ava";
import { upCommand } from "./command.ts";
import { parseFirstPort, parsePort, parseSeconds } from "./options/up_options.ts";

test("ports and seconds are numbers in their range", (t) => {
  t.is(parsePort("0"), 0);
  t.is(parsePort("65535"), 65_535);
  for (const text of ["65536", "-1", "1e3", "", " 80", "80a"]) t.throws(() => parsePort(text), undefined, text);
  t.is(parseFirstPort("65531"), 65_531);
  t.throws(() => parseFirstPort("65533"));
  t.is(parseSeconds("60"), 60);
  t.is(parseSeconds("0.5"), 0.5);
  for (const text of ["-1", "1m", "", "999999"]) t.throws(() => parseSeconds(text), undefined, text);
});

test("the help names each option, and shows an example", (t) => {
  let help = "";
  const command = upCommand().configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  for (const option of ["--for", "--data-dir", "--nats-port", "--postgres-port", "--http-port"]) {
    t.true(help.includes(option), option);
  }
  t.true(help.includes("muster up --for 60"));
});
