import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

test("the doctor names CEs that take VOs which are not configured, with the commands that mend it, until they are", async (t) => {
  await using server = await startTestServer();
  await using muster = await startMuster({ vos: ["lhcb"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  await cli.run("migrate");
  const add = (name: string, ...vos: string[]) =>
    cli.json("ce", "add", name, "--capacity", "7", ...vos.flatMap((vo) => ["--vo", vo]));
  await add("ce01", "lhcb", "atals");
  await add("ce02", "cms", "dune");
  await add("ce03", "lhcb");
  await add("ce04");
  const { output } = await cli.run("doctor");
  t.regex(
    output,
    /^WARN +CEs: ce01 takes VO atals, not configured; add with `muster vo add atals`, or .*: `muster ce change ce01 --vo <vo>`$/m,
  );
  t.regex(output, /^WARN +CEs: ce02 takes VOs cms, dune, not configured, and no others: it gets no pilots; add/m);
  t.notRegex(output, /CEs: ce0[34]/);
  await cli.json("ce", "change", "ce01", "--vo", "lhcb");
  await cli.run("vo", "add", "cms");
  await cli.run("vo", "add", "dune");
  t.regex((await cli.run("doctor")).output, /^ok +CEs: each takes VOs that are configured$/m);
});
