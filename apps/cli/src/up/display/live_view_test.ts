import test from "ava";
import { WriteStream } from "node:tty";
import { openLiveView } from "./live_view.ts";

/** A terminal of 100 columns that keeps what is written to it. */
function openTerminal() {
  let shown = "";
  const terminal: WriteStream = Object.assign(Object.create(WriteStream.prototype), {
    columns: 100,
    rows: 30,
    write(text: string) {
      shown += text;
      return true;
    },
  });
  return { terminal, shown: () => shown };
}

test("no line and no frame of the live view shows a password or token of a URL", (t) => {
  const { terminal, shown } = openTerminal();
  const view = openLiveView(terminal);
  const [natsUrl, databaseUrl] = ["nats://s3cret@broker:4222", "postgres://muster:s3cret@db:5432/muster"];
  view.progress(`the database does not answer: cannot reach ${databaseUrl}`);
  const dashboard = { url: "http://127.0.0.1:7450", token: "let-me-in" };
  view.ready({ dashboard, natsUrl, databaseUrl, dataDir: "/data", hasNats: true, readyAt: new Date() });
  view.progress(`cannot reach ${natsUrl}`);
  view.happened({ at: new Date(), text: `MyPilotTask failed: ${databaseUrl}` });
  view.appLine("scheduler", JSON.stringify({ level: "error", msg: `cannot connect to ${natsUrl}` }));
  view.close();
  t.true(shown().includes("broker:4222"), "what is no secret is shown");
  t.true(shown().includes("db:5432"));
  t.false(shown().includes("s3cret"));
});
