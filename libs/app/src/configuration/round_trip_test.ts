import { checkConfigurationFile, type ConfigurationFile } from "@muster/tasks/operate";
import test from "ava";
import { printConfiguration } from "./print_configuration.ts";
import { readYaml } from "./yaml_source.ts";

/** Names of VOs that YAML would read as something else. */
const ODD = [
  "123",
  "0x10",
  "1e3",
  "1.5",
  "true",
  "null",
  "no",
  "y",
  "2027-01-31",
  "0o7",
  "a-b_c.d",
  "constructor",
  "x".repeat(128),
];

test("what is printed of a configuration is read again as the same, also where a VO is called 123 or true", (t) => {
  const file: ConfigurationFile = {
    vos: Object.fromEntries(ODD.map((vo, index) => [vo, index % 2 === 0 ? {} : { weight: index }])),
    tasks: {
      MyTask: {
        ...{ schedule: "cron 0 6 * * mon-fri Europe/Zurich", timeout: "10m", enabled: false, priority: "realtime" },
        retry: { maxRetries: 3, firstDelay: "250ms", factor: 1.5, maxDelay: "1h", then: "drop" },
        vos: Object.fromEntries(ODD.map((vo) => [vo, { enabled: true }])),
      },
    },
  };
  const { value, problems } = readYaml(printConfiguration(file));
  t.deepEqual(problems, []);
  t.deepEqual(value, file);
  t.is(checkConfigurationFile(value).kind, "good");
  t.deepEqual(readYaml(JSON.stringify(file)).value, file, "JSON is YAML");
});

/** Texts that YAML would read as something else, or not at all, if they were printed as they are. */
const ODD_TEXTS = [
  ...[
    "",
    " ",
    "\n",
    " \n ",
    "a\nb\n",
    "a\rb",
    "\r\n",
    "\t",
    "trailing ",
    "\u0000",
    "\u0001",
    "\u001b[31m",
    "\u007f",
    "\u0085",
    "\u2028",
  ],
  ...[
    "\ufeff",
    "x\ufeffy",
    "é 漢字 😀",
    "# x",
    "a #b",
    "a: b",
    "a:",
    ":b",
    "- a",
    "---",
    "...",
    "<<",
    "=",
    "yes",
    "~",
    "null",
    "1e3",
  ],
  ...[
    "0x1F",
    "12:30:45",
    "2001-01-01",
    "'",
    '"',
    "&x",
    "*x",
    "!x",
    "{a}",
    "[b]",
    "%x",
    "@y",
    "`z",
    "? q",
    "| p",
    "> o",
    "x".repeat(300),
  ],
];

test("the payload of an instance is printed so that it is read again as the same, whatever texts it has", (t) => {
  for (const text of ODD_TEXTS) {
    const payload = { text, [text]: 1, list: [text, null, true, 1.5] };
    const file: ConfigurationFile = { tasks: { MyTask: { instances: { a: { schedule: "every 2h", payload } } } } };
    const { value, problems } = readYaml(printConfiguration(file));
    t.deepEqual(problems, [], JSON.stringify(text));
    t.deepEqual(value, file, JSON.stringify(text));
    t.is(checkConfigurationFile(value).kind, "good", JSON.stringify(text));
  }
});
