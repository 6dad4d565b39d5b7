import type { RowReport } from "../report/report.ts";
import { type Bench, openBench } from "../run/bench.ts";
import { openNetworkServers } from "../servers/network_servers.ts";
import { beside } from "./pilots.ts";

/** Time that a byte takes to a server, and as much back, ms. */
const DELAY_MS = 1;

/** The pilots' path where worker, NATS and PostgreSQL are on machines of their own, beside the bare transactions over the same network. */
export async function pilotsOverNetwork(bench: Bench): Promise<RowReport[]> {
  await using servers = await openNetworkServers(bench.servers, DELAY_MS);
  await using far = openBench({ ...bench, servers });
  const report = await beside(far, {
    row: "network-pilots",
    title: `over ten CEs, one worker, over a network of ${DELAY_MS} ms each way`,
    ceCount: 10,
    workerCount: 1,
    concurrency: 10,
    atLeast: 0.4,
    target: "ten CEs over a network, one worker vs bare transactions at the same concurrency",
  });
  return [report];
}
