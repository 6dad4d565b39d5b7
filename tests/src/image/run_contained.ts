import { execFile } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** What a container runtime takes from an image, and where its root is. */
export interface ContainerForm {
  /** Mounted read-only. */
  readonly root: string;
  readonly workdir: string;
  /** Of the image. */
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly gid: number;
}

/** A process that is process 1 of its own namespace, as in a container. */
export interface Contained extends AsyncDisposable {
  /** Its id outside of the namespace. */
  readonly pid: number;
  /** Resolves with its exit code when it has ended; a signal's number counts from 128 on. */
  readonly exited: Promise<number>;
  /** What it has written. */
  said(): string;
}

/** Nothing of our own environment comes in. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function unshareArgs({ root, workdir, uid, gid }: ContainerForm): string[] {
  return [
    "--pid",
    "--fork",
    "--kill-child",
    `--root=${root}`,
    "--mount-proc",
    `--wd=${workdir}`,
    `--setgid=${gid}`,
    `--setuid=${uid}`,
  ];
}

async function firstChild(pid: number): Promise<number> {
  for (;;) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    if (children.trim() !== "") return Number(children.trim().split(" ")[0]);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a program in the container's form. */
export async function startContained(
  form: ContainerForm,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Contained> {
  const child = spawn("unshare", [...unshareArgs(form), "--", ...command], {
    env: { PATH, ...form.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
  }
  const exited = once(child, "close").then(([code]) => Number(code));
  await once(child, "spawn");
  const pid = await firstChild(child.pid ?? 0);
  return {
    pid,
    exited,
    said: () => said,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Runs a program in the container's form to its end, and returns its exit code and what it wrote. */
export async function runContained(
  form: ContainerForm,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly said: string }> {
  try {
    const { stdout, stderr } = await execute("unshare", [...unshareArgs(form), "--", ...command], {
      env: { PATH, ...form.env, ...env },
    });
    return { code: 0, said: stdout + stderr };
  } catch (error) {
    if (error instanceof Error && "code" in error && "stdout" in error && "stderr" in error)
      return { code: Number(error.code), said: `${error.stdout}${error.stderr}` };
    throw error;
  }
}
