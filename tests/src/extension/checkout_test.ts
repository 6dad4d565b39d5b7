import test from "ava";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { copyWorkspace } from "../support/workspace_copy.ts";

const EXTENSION = `import { defineExtension } from "@muster/app";
import { atLeastOnceFactory } from "@muster/tasks";
import * as z from "zod";

const GreetTask = atLeastOnceFactory()({
  name: "GreetTask",
  payload: z.strictObject({ name: z.string() }),
  execute: ({ payload }) => payload.name,
});

export const extension = defineExtension({ name: "greet", tasks: [GreetTask] });
`;

test("an extension in the checkout has zod for its payloads, without an install of its own", async (t) => {
  await using copy = await copyWorkspace();
  const folder = join(copy.root, "extensions", "greet");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "mod.ts"), EXTENSION);
  // It prints the rights of the extension's tasks, and asks no server.
  const child = spawn(process.execPath, [join(copy.root, "apps/cli/src/main.ts"), "nats-users", "--vo", "lhcb"], {
    cwd: copy.root,
    env: { ...process.env, MUSTER_EXTENSIONS: "./extensions/greet/mod.ts" },
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  t.is(errors, "");
  t.true(output.includes("tasks.GreetTask"), output);
});
