import { checkConfigurationFile, type ConfigurationFile } from "@muster/tasks/operate";
import test from "ava";
import { printFile } from "./show.ts";
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
  const { value, problems } = readYaml(printFile(file));
  t.deepEqual(problems, []);
  t.deepEqual(value, file);
  t.is(checkConfigurationFile(value).kind, "good");
  t.deepEqual(readYaml(JSON.stringify(file)).value, file, "JSON is YAML");
});
