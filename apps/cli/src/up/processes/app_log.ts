import { createWriteStream } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";

/** Size above which the next start puts a log aside, bytes. The log that was put aside before is then deleted. */
const PUT_ASIDE_ABOVE = 10 * 1024 * 1024;

/** The files that keep the lines of one app. */
export interface AppLog extends AsyncDisposable {
  write(line: string): void;
}

async function putAsideIfLarge(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0, // there is no log yet
  );
  if (size > PUT_ASIDE_ABOVE) await rename(file, `${file}.old`);
}

/** Opens `logs/<app>.log` in the data folder, and appends to it. */
export async function openAppLog(dataDir: string, app: string): Promise<AppLog> {
  const folder = join(dataDir, "logs");
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${app}.log`);
  await putAsideIfLarge(file);
  const stream = createWriteStream(file, { flags: "a" });
  // A full disk must not stop the apps. Their lines are shown on the terminal anyway.
  stream.on("error", () => undefined);
  return {
    write: (line) => void stream.write(`${line}\n`),
    async [Symbol.asyncDispose]() {
      stream.end();
      await finished(stream).catch(() => undefined); // the handler above has seen the error
    },
  };
}
