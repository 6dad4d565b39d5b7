import { extension as pilots } from "@muster/pilot-tasks";
import { type UsersLayout, usersFile } from "@muster/tasks/operate";
import { ChildTask, extension as kinds, SumTask } from "./kinds.ts";

const [submit, check] = [["MySubmitPilotsTask", "MyPilotTask"], ["MyCheckPilotsTask"]];
const tasksOf = (names: readonly string[]) => pilots.tasks.filter(({ name }) => names.includes(name));

/** The users of a system with the pilots and a task of every kind. */
const LAYOUT: UsersLayout = {
  vos: ["lhcb", "atlas"],
  lockTypes: [...pilots.lockTypes, ...kinds.lockTypes].map(({ name }) => name),
  workers: [
    { user: "submit-worker", tasks: tasksOf(submit), spawns: tasksOf(["MyPilotTask"]) },
    { user: "check-worker", tasks: tasksOf(check) },
    { user: "worker", tasks: kinds.tasks, spawns: [ChildTask, SumTask] },
  ],
};

/** The text of their users.conf. */
export const KINDS_USERS = usersFile(LAYOUT);
/** The tasks that the user `worker` runs, as `MUSTER_TASKS` names them. */
export const KINDS_TASKS = kinds.tasks.map(({ name }) => name).join(",");
