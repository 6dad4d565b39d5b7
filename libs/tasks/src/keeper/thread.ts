/** The keeper's own thread, which `keeper_thread.ts` starts where none is shared. */
import { parentPort, workerData } from "node:worker_threads";
import { serve } from "./serve.ts";

if (parentPort === null) throw new Error("Cannot run keeper/thread: it is the keeper's thread; use openKeeper");
await serve(parentPort, workerData);
