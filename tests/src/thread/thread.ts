// The module of the threads of threads_test.ts.
import { serveTasks } from "@muster/tasks/thread";
import { inThreads } from "./tasks.ts";

serveTasks({ tasks: inThreads });
