/**
 * For tests only: a PostgreSQL server with a migrated database to copy. Needs `@muster/local`, and is not part of the
 * build.
 */
export { type Proxy, startProxy } from "./proxy.ts";
export { type Reads, readsOf } from "./reads.ts";
export { claim, fence, outcome, runSql, untilRow, untilWaiting } from "./tasks.ts";
export {
  type OwnTestServer,
  startDurableTestServer,
  startOldestTestServer,
  startSharedTestServer,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from "./test_server.ts";
