import { createLog, createMeters, observeTasks } from "@muster/service";
import { type Broker, connectNats, openBroker } from "@muster/tasks";

export interface MusterConnection {
  readonly broker: Broker;
  readonly url: string;
  close(): Promise<void>;
}

/** Connects like an app: it declares the streams, and sends the steps to a log and to metrics. The server's URL is the first argument. */
export async function connectMuster(name: string): Promise<MusterConnection> {
  const url = process.argv[2] ?? "";
  const nc = await connectNats({ url, name });
  const log = createLog({ name, level: "warn", descriptor: 2 });
  const broker = await openBroker(nc, { observer: observeTasks(log, createMeters()) });
  return { broker, url, close: () => nc.close() };
}
