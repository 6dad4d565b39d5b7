import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hasEnded, ownProcess } from "./own_process.ts";

test("a process of this machine has ended once it is gone, and not before", async (t) => {
  const own = ownProcess();
  if (own === undefined) return t.pass("nothing tells one machine from another here");
  t.false(hasEnded(own));
  const child = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1_000)"], { stdio: "ignore" });
  const exited = once(child, "exit");
  await once(child, "spawn");
  const pid = child.pid ?? Number.NaN;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const startedTicks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  const other = { place: own.place, pid, startedTicks };
  t.false(hasEnded(other));
  t.true(hasEnded({ ...other, startedTicks: "1" }), "its id was another's before");
  child.kill("SIGKILL");
  await exited;
  t.true(hasEnded(other));
});

test("a process of another machine has not ended as far as anybody here can tell", (t) => {
  t.false(hasEnded({ place: "elsewhere", pid: 2 ** 30, startedTicks: "1" }));
});
