// Tested by tests/src/access/users_file_test.ts
import { InvalidNameError, NatsAccessError } from "@muster/tasks";
import { activeVos, type RightsTask, usersFile, type WorkerUser } from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { examples } from "../print/examples.ts";
import { UsageError } from "../run/failure.ts";
import { ourExtensions } from "../run/extensions.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseVo } from "../run/values.ts";

const EXAMPLES = [
  "muster nats-users --vo lhcb --vo atlas > users.conf",
  "muster nats-users --worker submit-worker=MySubmitPilotsTask,MyPilotTask --spawns submit-worker=MyPilotTask",
];

/** A user, and the names of tasks. */
interface Named {
  readonly user: string;
  readonly tasks: readonly string[];
}

interface NatsUsersOptions {
  readonly vo?: readonly string[];
  readonly worker?: readonly Named[];
  readonly spawns?: readonly Named[];
}

/** Reads `user=TaskA,TaskB`, and adds it to those before. */
function parseNamed(text: string, before: readonly Named[] = []): readonly Named[] {
  const [, user, tasks] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  if (user === undefined || tasks === undefined) {
    throw new InvalidArgumentError("It is written as user=TaskA,TaskB.");
  }
  return [...before, { user, tasks: tasks.split(",") }];
}

function parseVos(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseVo(text)];
}

/** The VOs of the configuration in force. Throws `UsageError` where a file to reach NATS with is not there: it may only be made later. */
async function configuredVos(): Promise<readonly string[]> {
  try {
    return await withBroker(async (broker) => activeVos(await readConfigurationAloud(broker)));
  } catch (error) {
    if (!(error instanceof NatsAccessError)) throw error;
    throw new UsageError(`${error.message}; name the VOs by --vo where there is no server yet`);
  }
}

/** Finds tasks by name. Throws `UsageError` where no extension has one. */
function finderOf(known: readonly RightsTask[]): (names: readonly string[]) => readonly RightsTask[] {
  const byName = new Map(known.map((task) => [task.name, task]));
  return (names) =>
    names.map((name) => {
      const found = byName.get(name);
      if (found !== undefined) return found;
      throw new UsageError(
        `Cannot give rights for "${name}": no task of MUSTER_EXTENSIONS has that name; known are ${[...byName.keys()].join(", ")}`,
      );
    });
}

function workersOf({ worker, spawns = [] }: NatsUsersOptions, known: readonly RightsTask[]): readonly WorkerUser[] {
  // Without a word, one worker runs all.
  if (worker === undefined && spawns.length === 0) return [{ user: "worker", tasks: known, spawns: known }];
  const find = finderOf(known);
  const users = worker ?? [];
  const stranger = spawns.find(({ user }) => !users.some((each) => each.user === user));
  if (stranger !== undefined) {
    throw new UsageError(`Cannot let "${stranger.user}" spawn: no --worker has that name; add one`);
  }
  return users.map(({ user, tasks }) => ({
    ...{ user, tasks: find(tasks) },
    spawns: find(spawns.filter((each) => each.user === user).flatMap((each) => each.tasks)),
  }));
}

/** Quotes a word of a command line where a shell would not take it as it is. */
function shown(word: string): string {
  return /^[\w./:=,@-]+$/.test(word) ? word : `'${word}'`;
}

/** The command line that makes the same file again. */
function commandLine(vos: readonly string[], { worker = [], spawns = [] }: NatsUsersOptions): string {
  const named = (option: string, all: readonly Named[]) =>
    all.flatMap(({ user, tasks }) => [option, `${user}=${tasks.join(",")}`]);
  const words = [...vos.flatMap((vo) => ["--vo", vo]), ...named("--worker", worker), ...named("--spawns", spawns)];
  return ["npx muster nats-users", ...words.map(shown)].join(" ");
}

/** `muster nats-users`: the users and rights of NATS, for infra/nats. */
export function natsUsersCommand(): Command {
  return new Command("nats-users")
    .description("print users.conf for infra/nats: the accounts, users and rights of NATS for these VOs and workers")
    .option("--vo <vo>", "a VO; may be given several times (default: those of the configuration)", parseVos)
    .option("--worker <user=tasks>", "a worker's user and the tasks that it runs; several times", parseNamed)
    .option("--spawns <user=tasks>", "the tasks that this worker's runs spawn; several times", parseNamed)
    .addHelpText("after", examples(...EXAMPLES))
    .action(async (options: NatsUsersOptions) => {
      const { tasks, lockTypes } = await ourExtensions();
      const vos = options.vo ?? (await configuredVos());
      const head = [
        "The accounts, users and rights of NATS for Muster. See docs/how-to/nats-permissions.md. Do not edit; it was written by",
        commandLine(vos, options),
      ];
      const layout = { vos, lockTypes, workers: workersOf(options, tasks) };
      try {
        process.stdout.write(usersFile(layout, head));
      } catch (error) {
        throw error instanceof InvalidNameError ? new UsageError(error.message) : error;
      }
    });
}
