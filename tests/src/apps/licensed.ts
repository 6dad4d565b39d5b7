/** An extension whose middleware lets no occurrence pass before a file is there, for a test of schedules that do not fire. */
import { defineExtension } from "@muster/app";
import { atLeastOnceFactory, every, type Middleware } from "@muster/tasks";
import { existsSync } from "node:fs";

const file = process.env["MUSTER_TEST_LICENCE"] ?? "";

const LicensedTask = atLeastOnceFactory()({
  ...{ name: "LicensedTask", per: "vo", schedule: every({ seconds: 1 }), overlap: "allow" },
  execute() {},
});

const licence: Middleware = {
  name: "licence",
  async publish(_message, next) {
    if (!existsSync(file)) throw new Error(`there is no licence in ${file}`);
    await next();
  },
};

export const extension = defineExtension({ name: "licensed", tasks: [LicensedTask], middleware: [licence] });
