import type { StorageUsage } from "@muster/tasks/operate";
import test from "ava";
import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { judgeDisk, judgeUsage } from "./storage.ts";

const usage = (used: number, more: Partial<StorageUsage> = {}): StorageUsage => ({
  limits: [{ what: "the account's storage", used, limit: 1_000_000, unit: "bytes" }],
  bytes: used,
  largest: { stream: "DEAD", bytes: used / 2 },
  firstVo: undefined,
  ...more,
});

test("a limit is told from 80 % on, with who takes most of it, and is bad once it is reached", (t) => {
  t.deepEqual(judgeUsage(usage(799_999)), []);
  const [finding] = judgeUsage(usage(800_000));
  t.is(finding?.state, "warning");
  t.is(
    finding?.text,
    "the account's storage is 80 % used, 0.8 MB of 1 MB; DEAD takes most of it, 0.4 MB; delete what is not needed, or raise it",
  );
  t.is(judgeUsage(usage(1_000_000))[0]?.state, "bad");
});

test("one VO is named where its waiting tasks take the half of what is stored, and not where they take less", (t) => {
  const firstVo = { vo: "lhcb", tasks: 1_700, bytes: 450_000 };
  t.regex(judgeUsage(usage(900_000, { firstVo }))[0]?.text ?? "", /1,700 tasks of VO lhcb that wait take most of it/);
  const less = { firstVo: { ...firstVo, bytes: 449_999 } };
  t.regex(judgeUsage(usage(900_000, less))[0]?.text ?? "", /DEAD takes most of it/);
});

test("a disk is told from 80 % on, and one that cannot be measured is not", async (t) => {
  const stats: StatsFs = await statfs(tmpdir());
  const disk = (bavail: number): StatsFs => ({ ...stats, blocks: 100_000, bsize: 1_000, bavail });
  t.deepEqual(judgeDisk("/data", disk(20_001)), []);
  t.regex(
    judgeDisk("/data", disk(17_000))[0]?.text ?? "",
    /^the disk of \/data is 83 % full, 17 MB are free; make room/,
  );
  t.deepEqual(judgeDisk("/data", { ...stats, blocks: 0, bavail: 0 }), []);
});
