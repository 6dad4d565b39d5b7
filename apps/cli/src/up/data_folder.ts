import { access, constants, mkdir } from "node:fs/promises";

/** Error codes of the system for a place that cannot be written: it belongs to another user, is read-only, or is full. */
const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"]);

/** The data folder cannot be written, or something in it cannot. */
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

/** Makes the folder and checks that it can be written. Throws {@linkcode DataFolderUnwritableError}. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw cause instanceof Error ? new DataFolderUnwritableError(dataDir, cause) : cause;
  }
}

/** Describes an error to the user. If the system reports it for a place in the data folder, the text also says what to do. */
export function explainDataFolder(dataDir: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOurs =
    "code" in error && UNWRITABLE.has(String(error.code)) && "path" in error && String(error.path).startsWith(dataDir);
  return isOurs ? new DataFolderUnwritableError(dataDir, error).message : error.message;
}
