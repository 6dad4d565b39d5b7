// Tested by tests/src/access/users_file_test.ts
import { checkTaskName, checkVoName, InvalidNameError } from "../format/names.ts";
import {
  dashboardRights,
  operatorRights,
  publisherRights,
  type Rights,
  type RightsTask,
  schedulerRights,
  workerRights,
} from "./rights.ts";

/** One worker app: the name of its user, and the tasks that it runs. */
export interface WorkerUser {
  readonly user: string;
  readonly tasks: readonly RightsTask[];
  /** The tasks that its runs spawn, as children or callbacks; default none. */
  readonly spawns?: readonly RightsTask[];
}

/** Who uses a system's NATS. */
export interface UsersLayout {
  readonly workers: readonly WorkerUser[];
  readonly vos: readonly string[];
  /** Lock types of all extensions. */
  readonly lockTypes: readonly string[];
}

/** The account of Muster's own users. */
const OWN_ACCOUNT = "MUSTER";
const USER_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** Users that every system has. */
const FIXED = ["operator", "scheduler", "dashboard"];

/** The prefix of the subjects on which a user receives answers. Its setting is `NATS_INBOX_PREFIX`. */
export function inboxPrefixOf(user: string): string {
  return `_INBOX_${user}`;
}

/** The name of a user's password in passwords.conf. */
function passwordOf(user: string): string {
  return `PASSWORD_${user.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
}

function checkUser(user: string): string {
  if (USER_NAME.test(user) && !FIXED.includes(user) && !user.startsWith("vo-")) return user;
  throw new InvalidNameError({
    ...{ what: "user of NATS", value: user, problem: "it is taken, or has other characters" },
    rule: `a worker's user has lower-case letters, digits and -, and is none of ${FIXED.join(", ")}`,
  });
}

function list(subjects: readonly string[], indent: string): string {
  return subjects.map((subject) => `${indent}  ${JSON.stringify(subject)}`).join("\n");
}

function userBlock(user: string, { publish, subscribe, answers }: Rights, inbox: string): string {
  const indent = "        ";
  return `    {
      user: ${JSON.stringify(user)}, password: $${passwordOf(user)}
      permissions: {
        publish: [
${list([...new Set(publish)], indent)}
        ]
        subscribe: [
${list([`${inbox}.>`, ...subscribe], indent)}
        ]${answers ? "\n        allow_responses: true" : ""}
      }
    }`;
}

function voAccount(vo: string): string {
  const subject = JSON.stringify(`tasks.*.${vo}`);
  return `  ${JSON.stringify(`VO_${vo}`)}: {
    imports: [{ service: { account: ${OWN_ACCOUNT}, subject: ${subject} } }]
    users: [
${userBlock(voUser(vo), publisherRights(vo), "_INBOX")}
    ]
  }`;
}

/** The user with which a VO publishes tasks. */
export function voUser(vo: string): string {
  return `vo-${vo}`;
}

function checkNames({ workers, vos }: UsersLayout): void {
  for (const vo of vos) checkVoName(vo);
  for (const { user, tasks, spawns = [] } of workers) {
    checkUser(user);
    for (const { name } of [...tasks, ...spawns]) checkTaskName(name);
  }
  const users = [...FIXED, ...workers.map(({ user }) => user), ...vos.map(voUser)];
  const passwords = new Map<string, string>();
  for (const user of users) {
    const other = passwords.get(passwordOf(user));
    if (other !== undefined) {
      const problem = `its password would have the name of that of ${other}, ${passwordOf(user)}`;
      throw new InvalidNameError({ what: "user of NATS", value: user, problem, rule: "rename one of them" });
    }
    passwords.set(passwordOf(user), user);
  }
}

/**
 * The text of `users.conf`: the accounts, users and rights of NATS for one system. Its passwords are variables of `passwords.conf` beside it.
 *
 * The publishers of a VO have an account of their own. In the account of Muster a publisher could have the server's answer sent to any
 * subject, and so write there. Throws `InvalidNameError`.
 */
export function usersFile(layout: UsersLayout, head: readonly string[] = []): string {
  checkNames(layout);
  const { workers, vos, lockTypes } = layout;
  const own: readonly (readonly [string, Rights])[] = [
    ["operator", operatorRights()],
    ["scheduler", schedulerRights()],
    ["dashboard", dashboardRights()],
    ...workers.map(({ user, tasks, spawns = [] }) => [user, workerRights({ tasks, spawns, lockTypes, vos })] as const),
  ];
  const exports = vos.map(
    (vo) => `      { service: ${JSON.stringify(`tasks.*.${vo}`)}, accounts: [${JSON.stringify(`VO_${vo}`)}] }`,
  );
  return `${head.map((line) => `# ${line}\n`).join("")}
include "passwords.conf"

accounts {
  ${OWN_ACCOUNT}: {
    jetstream: enabled
    exports: [
${exports.join("\n")}
    ]
    users: [
${own.map(([user, rights]) => userBlock(user, rights, inboxPrefixOf(user))).join("\n")}
    ]
  }
${vos.map(voAccount).join("\n")}
}
`;
}
