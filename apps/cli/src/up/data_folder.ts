import { access, constants, mkdir } from "node:fs/promises";

/** The system's words for a place that cannot be written: not ours, read-only, or full. */
const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"]);

/** The data folder, or something in it, cannot be written. */
export class DataFolderUnwritableError extends Error {
  override readonly name = "DataFolderUnwritableError";
  readonly dataDir: string;
  constructor(dataDir: string, cause: Error) {
    const user = process.getuid === undefined ? "this user" : `user ${process.getuid()}`;
    super(
      `Cannot keep data in ${dataDir} as ${user}: ${cause.message}; ` +
        "let that user write there, or choose another folder with --data-dir or MUSTER_DATA_DIR",
      { cause },
    );
    this.dataDir = dataDir;
  }
}

/** Makes the folder and sees that it can be written. Throws {@linkcode DataFolderUnwritableError}. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw cause instanceof Error ? new DataFolderUnwritableError(dataDir, cause) : cause;
  }
}

/** What a user is told of an error: of one that the system reports for a place in the data folder, also what to do about it. */
export function explainDataFolder(dataDir: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOurs =
    "code" in error && UNWRITABLE.has(String(error.code)) && "path" in error && String(error.path).startsWith(dataDir);
  return isOurs ? new DataFolderUnwritableError(dataDir, error).message : error.message;
}
