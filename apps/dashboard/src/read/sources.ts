import type { Composition } from "@muster/app";
import type { Database } from "@muster/ledger";
import type { Broker } from "@muster/tasks";
import type { Feed } from "../feed/feed.ts";

/** Where everything comes from that is shown. */
export interface Sources {
  readonly broker: Broker;
  readonly database: Database;
  /** The tasks that the extensions bring, with their schedules. */
  readonly composition: Composition;
  readonly feed: Feed;
}
