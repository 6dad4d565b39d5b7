// A module of threads that serves nothing.
import { serveTasks } from "@muster/tasks/thread";

serveTasks({ tasks: [] });
