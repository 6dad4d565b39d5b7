import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { startTestBroker } from "../locks/_grid_test.ts";
import { plainSilence } from "./publish_surely.ts";

test("a broker that gives no answer, and one where nobody listens, are told with what to do", async (t) => {
  await using server = await startTestBroker();
  const nc = await connectNats({ url: server.url, name: "silence test" });
  t.teardown(() => nc.close());
  const nobody = await t.throwsAsync(nc.request("nobody.listens", ""));
  t.regex(
    plainSilence(nobody) ?? "",
    /^Cannot reach JetStream: nobody there takes such requests now; .*muster doctor$/,
  );
  process.kill(server.pid, "SIGSTOP");
  const late = await t.throwsAsync(nc.request("$JS.API.INFO", "", { timeout: 100 }));
  process.kill(server.pid, "SIGCONT");
  t.regex(plainSilence(late) ?? "", /^Cannot reach JetStream: it gave no answer in time; .*muster doctor$/);
  t.is(plainSilence(new Error("timeout")), undefined);
});
