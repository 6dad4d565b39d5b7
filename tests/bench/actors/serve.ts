/** What one process can do for the bench, by name. Input and result are JSON. */
export type Verbs = Readonly<Record<string, (input: never) => Promise<unknown>>>;

/** A request over the channel between the bench and one of its processes. */
export interface Request {
  readonly id: number;
  readonly verb: string;
  readonly input: unknown;
}

export type Response =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

/** Serves the bench's requests until the bench disconnects. Then `close` runs and the process ends. */
export function serve(verbs: Verbs, close: () => Promise<void>): void {
  if (process.send === undefined) throw new Error("Cannot serve: this process is started by the bench, not by hand");
  const send = process.send.bind(process);
  async function respond({ id, verb, input }: Request): Promise<Response> {
    const run = verbs[verb];
    if (run === undefined) return { id, error: `there is no verb "${verb}"` };
    try {
      return { id, answer: (await run(input as never)) ?? null };
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }
  process.on("message", (request: Request) => void respond(request).then((response) => send(response)));
  process.once("disconnect", () => {
    // A process that cannot close must not outlive the bench.
    setTimeout(() => process.exit(1), 5_000).unref();
    void close().then(() => process.exit(0));
  });
  send({ id: 0, answer: "ready" } satisfies Response);
}
