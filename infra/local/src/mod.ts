export { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats/nats_server.ts";
export type { SyncInterval } from "./nats/server_config.ts";
export { createDatabase, ensureDatabase } from "./postgres/create_database.ts";
export { type Durability, type Postgres, type PostgresOptions, startPostgres } from "./postgres/postgres.ts";
export { NoPostgresError } from "./postgres/programs.ts";
export { DataFolderInUseError } from "./process/claim.ts";
export { findFreePort, PortTakenError } from "./process/port.ts";
export { ServerStartError } from "./process/readiness.ts";
export type { Exit } from "./process/server_process.ts";
export {
  defaultDataDir,
  findRunningServers,
  forgetRunningServers,
  noteRunningServers,
  type RunningServers,
} from "./servers/running_servers.ts";
export { type NatsCli, provisionNatsCli } from "./provision/nats_cli.ts";
export { NoNatsServerError, provisionNatsServer } from "./provision/nats_server.ts";
export { NatsServerTooOldError, OLDEST_NATS_SERVER } from "./provision/nats_server_version.ts";
export type { Progress, Refusal } from "./provision/source.ts";
