import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

test("the doctor names the VOs that are not configured and for which tasks wait, with count, age and the command that adds one", async (t) => {
  await using server = await startTestServer();
  await using muster = await startMuster({ vos: ["lhcb"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  const publish = (vo: string) => muster.broker.js.publish(`tasks.MyPilotTask.${vo}`, "{}");
  for (const vo of ["vo.lost.org", "lhcb", "vo.lost.org", "lost", "_"]) await publish(vo);
  const before = (await cli.run("doctor")).output;
  t.regex(
    before,
    /^WARN +tasks: 2 tasks of VO vo\.lost\.org, which is not configured, cannot run, the oldest for \S.*; add it: muster vo add vo\.lost\.org$/m,
  );
  t.regex(before, /^WARN +tasks: 1 task of VO lost, which .*; add it: muster vo add lost$/m);
  t.notRegex(before, /of VO (lhcb|_), which/);
  t.is((await cli.run("vo", "add", "vo.lost.org")).code, 0);
  t.notRegex((await cli.run("doctor")).output, /of VO vo\.lost\.org, which/);
});
