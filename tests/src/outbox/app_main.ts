// An application that publishes in its transaction, and dies before or after its COMMIT. Started by relay_test.ts.
import { publishWith } from "@muster/ledger";
import { Client } from "pg";
import { NoteTask } from "./note_task.ts";

const client = new Client(process.env["DATABASE_URL"]);
await client.connect();
await client.query("begin");
const taskId = process.env["TASK_ID"] ?? "";
await publishWith((text, values) => client.query(text, values), NoteTask, { taskId, payload: {} });
if (process.env["ENDS"] === "after") await client.query("commit");
process.kill(process.pid, "SIGKILL");
