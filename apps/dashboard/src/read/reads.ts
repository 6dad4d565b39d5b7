import { deadReaders } from "./read_dead.ts";
import { gridReaders } from "./read_grid.ts";
import { readOverview } from "./read_overview.ts";
import { storeReaders } from "./read_stores.ts";
import { taskReaders } from "./read_tasks.ts";
import type { OverviewData } from "./shapes.ts";
import type { Sources } from "./sources.ts";

/** Makes the readers of all that is shown. Pages and API have the same ones. */
export function openReads(sources: Sources) {
  return {
    overview: async (): Promise<OverviewData> => readOverview(sources.feed),
    ...gridReaders(sources),
    ...taskReaders(sources),
    ...storeReaders(sources),
    ...deadReaders(sources),
  };
}

/** The readers of all that is shown. */
export type Reads = ReturnType<typeof openReads>;
