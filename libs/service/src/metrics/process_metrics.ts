/** CPU, memory, garbage collection and event-loop delay of this process, as text for a scrape. */
export async function processMetrics(): Promise<() => Promise<string>> {
  // Loaded late: commands use this library too, and only an app is scraped.
  const { collectDefaultMetrics, Registry } = await import("prom-client");
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return () => registry.metrics();
}
