import test from "ava";
import { generateKeyPairSync } from "node:crypto";
import { NatsAccessError } from "./nats_access.ts";
import { readAccessFile } from "./read_access_file.ts";

const SEED = "SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM";
const PEM = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

test("a file that is not there is told with its path, and a secret in its path's place is not shown", (t) => {
  const messageOf = (nkey: string) =>
    t.throws(() => readAccessFile({ url: "nats://127.0.0.1", nkeyFile: nkey }, "nkeyFile", nkey), {
      instanceOf: NatsAccessError,
    })?.message ?? "";
  t.regex(messageOf("/etc/muster/user.nk"), /"\/etc\/muster\/user\.nk".*ENOENT/);
  for (const secret of [SEED, `/etc/muster/${SEED}`, PEM, `eyJ${"0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5"}`]) {
    t.regex(messageOf(secret), /"\*\*\*".*ENOENT/, secret);
  }
});
