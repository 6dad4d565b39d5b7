const [host = "", port = ""] = process.argv.slice(2);
export const connection = { host, port: Number(port) };

/** The name of a VO's queue. */
export const queueOf = (vo: string): string => `bench-${vo}`;

interface Openable {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

/** What a process has of each VO's queue, made when it is first asked for. */
export function openQueues<Opened extends Openable>(open: (vo: string) => Opened) {
  const opened = new Map<string, Promise<Opened>>();
  async function ready(vo: string): Promise<Opened> {
    const one = open(vo);
    await one.waitUntilReady();
    return one;
  }
  return {
    get(vo: string): Promise<Opened> {
      const one = opened.get(vo) ?? ready(vo);
      opened.set(vo, one);
      return one;
    },
    async close(): Promise<void> {
      const all = await Promise.all(opened.values());
      opened.clear();
      await Promise.all(all.map((one) => one.close()));
    },
  };
}
