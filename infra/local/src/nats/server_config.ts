import { join } from "node:path";
import { LOOPBACK } from "../process/port.ts";

/** When JetStream writes its data to the disk: before each acknowledgement, or every two minutes. */
export type SyncInterval = "always" | "lazy";

export interface ServerConfig {
  readonly dataDir: string;
  /** Port; -1 lets the server choose. */
  readonly port: number;
  readonly syncInterval: SyncInterval;
}

/** The text of a nats-server configuration for one machine: loopback only, JetStream on. */
export function renderServerConfig({ dataDir, port, syncInterval }: ServerConfig): string {
  const quotedDir = JSON.stringify(dataDir);
  return `# Written anew at each start; a change here is lost.
server_name: "muster-local"
listen: "${LOOPBACK}:${port}"
ports_file_dir: ${quotedDir}
log_file: ${JSON.stringify(join(dataDir, "nats-server.log"))}
logfile_size_limit: 10MB
logfile_max_num: 3
jetstream {
  store_dir: ${quotedDir}
  sync_interval: ${syncInterval === "always" ? "always" : '"2m"'}
}
`;
}
