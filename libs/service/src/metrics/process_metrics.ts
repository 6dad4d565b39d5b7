import { collectDefaultMetrics, Registry } from "prom-client";

/** CPU, memory, garbage collection and event-loop delay of this process, as text for a scrape. */
export function processMetrics(): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return () => registry.metrics();
}
