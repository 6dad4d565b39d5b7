import { InvalidNameError } from "@muster/tasks";
import { inspectedRights, isCovered, operatorRights, type UsersLayout, usersFile } from "@muster/tasks/operate";
import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { commandsOn } from "../cli/run_muster.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const read = (...path: string[]) => readFile(join(ROOT, ...path), "utf8");
/** No server is asked where the command line names the VOs. */
const muster = commandsOn({ NATS_URL: "nats://127.0.0.1:1", DATABASE_URL: "postgres://127.0.0.1:1/x" });

test("users.conf of infra/nats is what the command in its head prints", async (t) => {
  const file = await read("infra", "nats", "users.conf");
  const [, command = ""] = /^# npx muster (nats-users .*)$/m.exec(file) ?? [];
  const { code, output, errors } = await muster.run(...command.split(" "));
  t.is(code, 0, errors);
  t.is(file, output);
});

test("users.conf is printed before the CA exists that the settings name, unless NATS is to be asked for the VOs", async (t) => {
  const ahead = commandsOn({
    NATS_URL: "tls://127.0.0.1:1",
    NATS_CA: "/not/made/ca.crt",
  });
  const printed = await ahead.run("nats-users", "--vo", "lhcb");
  t.is(printed.code, 0, printed.errors);
  t.regex(printed.output, /user: "?vo-lhcb/);
  const asks = await ahead.run("nats-users");
  t.is(asks.code, 2);
  t.regex(asks.errors, /Cannot use NATS_CA: .*ENOENT.*; name the VOs by --vo/);
  const lists = await ahead.run("queue", "list");
  t.is(lists.code, 2, "other commands need what is named");
});

test("users.conf gives each worker of Muster the tasks that its main file runs", async (t) => {
  const file = await read("infra", "nats", "users.conf");
  const [, command = ""] = /^# npx muster (nats-users .*)$/m.exec(file) ?? [];
  const given = [...command.matchAll(/--worker (\S+)=(\S+)/g)].map(([, user = "", tasks = ""]) => [
    user,
    tasks.split(",").sort(),
  ]);
  t.deepEqual(given.map(([user]) => user).sort(), ["check-worker", "report-worker", "submit-worker"]);
  for (const [user, tasks] of given) {
    const main = await read("apps", String(user), "src", "main.ts");
    const run = /tasks: \[([^\]]*)\]/.exec(main)?.[1]?.split(", ").sort();
    t.deepEqual(run, tasks as string[], String(user));
  }
});

/** The lists in the block that the page gives an operator who has one user for all. */
async function documented(list: "publish" | "subscribe"): Promise<readonly string[]> {
  const page = await read("docs", "how-to", "own-servers.md");
  const [, block = ""] = /user: "muster"([\s\S]*?)\n {4}\}/.exec(page) ?? [];
  const [, subjects = ""] = new RegExp(`${list}: \\[([^\\]]*)\\]`).exec(block) ?? [];
  return [...subjects.matchAll(/"([^"]+)"/g)].map(([, subject = ""]) => subject);
}

test("the page's user for all apps has the rights of the operator, and no others", async (t) => {
  const { publish, subscribe } = operatorRights();
  t.deepEqual([...(await documented("publish"))].sort(), [...publish].sort());
  t.deepEqual([...(await documented("subscribe"))].sort(), ["_INBOX.>", ...subscribe].sort());
});

test("muster doctor tries each right of the operator, and nothing beyond them", (t) => {
  const tried = inspectedRights(["ATask"], "lhcb");
  for (const operation of ["publish", "subscribe"] as const) {
    const rights = operatorRights()[operation];
    const subjects = tried[operation];
    t.true(subjects.length > 5);
    t.deepEqual(
      subjects.filter((subject) => !rights.some((right) => isCovered(right, subject))),
      [],
      `beyond: ${operation}`,
    );
    t.deepEqual(
      rights.filter((right) => !subjects.some((subject) => isCovered(right, subject))),
      [],
      `not tried: ${operation}`,
    );
  }
});

const LAYOUT: UsersLayout = { vos: ["lhcb"], lockTypes: [], workers: [] };

test("names that would give somebody else's rights, or share a password, are refused", async (t) => {
  const task = { name: "ATask", per: "vo" } as const;
  const wrong: readonly UsersLayout[] = [
    { ...LAYOUT, workers: [{ user: "operator", tasks: [task] }] },
    { ...LAYOUT, workers: [{ user: 'x", permissions: { publish: ">" } #', tasks: [task] }] },
    { ...LAYOUT, workers: [{ user: "vo-lhcb", tasks: [task] }] },
    { ...LAYOUT, workers: [{ user: "w", tasks: [{ name: "*", per: "vo" }] }] },
    { ...LAYOUT, workers: [{ user: "w", tasks: [], spawns: [{ name: "a.>", per: "vo" }] }] },
    { ...LAYOUT, vos: [">"] },
    { ...LAYOUT, vos: ["a.b", "a-b"] },
  ];
  for (const layout of wrong) {
    t.throws(() => usersFile(layout), { instanceOf: InvalidNameError }, JSON.stringify(layout));
  }
  const { code, errors } = await muster.run("nats-users", "--vo", "lhcb", "--worker", "w=NoTask");
  t.is(code, 2);
  t.regex(
    errors,
    /^Cannot give rights for "NoTask": no task of MUSTER_EXTENSIONS has that name; known are .*MyPilotTask/,
  );
  t.is((await muster.run("nats-users", "--vo", "lhcb", "--worker", "w")).code, 2);
  t.is((await muster.run("nats-users", "--vo", "lhcb", "--spawns", "w=MyPilotTask")).code, 2);
});
