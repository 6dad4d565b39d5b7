import { auditPage } from "./audit.ts";
import { cesPage } from "./ces.ts";
import { configurationPage } from "./configuration.ts";
import { confirmDeadPage, deadPage, letterPage } from "./dead.ts";
import { groupPage, groupsPage } from "./groups.ts";
import { locksPage } from "./locks.ts";
import { overviewPage } from "./overview.ts";
import type { Page } from "./page.ts";
import { queuePage } from "./queue.ts";
import { schedulePage, schedulesPage } from "./schedules.ts";
import { taskPage } from "./task.ts";
import { tasksPage } from "./tasks.ts";
import { workersPage } from "./workers.ts";

/** All pages that only show. */
export const PAGES: readonly Page[] = [
  ...[overviewPage, cesPage, queuePage, tasksPage, taskPage, groupsPage, groupPage, schedulesPage, schedulePage],
  ...[deadPage, confirmDeadPage, letterPage, locksPage, workersPage, configurationPage, auditPage],
];
