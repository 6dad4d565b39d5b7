import config from "./ava.config.mjs";
import { AT_MOST } from "./tests/src/gate/turns.ts";

/** The configuration of ava in `npm test`, which runs several test files in one process; see tests/src/gate/plan_groups.ts. */
export default {
  ...config,
  files: [".muster/groups/*_test.ts"],
  // Above the limit of run_group.ts, which names the one test that hangs.
  timeout: "12m",
  // Each group waits for its turn, which comes by how busy the machine is.
  concurrency: AT_MOST,
  // Each group has a process of its own. To start a server, the system copies the tables of the pages of whoever starts it: 33 ms of CPU from a
  // process of 1 GB, as that of all threads would have, and a few from a small one.
  workerThreads: false,
  sortTestFiles: (a, b) => (a < b ? -1 : 1),
};
