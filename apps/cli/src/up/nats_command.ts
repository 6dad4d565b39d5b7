import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Whether the `nats` command is on the user's PATH. */
export async function hasNatsCommand(): Promise<boolean> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter((each) => each !== "")) {
    const isThere = await access(join(folder, "nats"), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}
