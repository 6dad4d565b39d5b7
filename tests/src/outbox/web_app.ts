import { publishWith } from "@muster/ledger";
import { createServer } from "node:http";
import { Pool } from "pg";
import { GreetTask } from "./greet_task.ts";

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] });

/** Writes the visitor down and asks for a greeting: both or neither. */
async function receive(name: string): Promise<string> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("insert into visitor (name) values ($1)", [name]);
    const query = (text: string, values: (string | null)[]) => client.query(text, values);
    const taskId = await publishWith(query, GreetTask, { payload: { name } });
    await client.query("commit");
    return taskId;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

const web = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://localhost");
  receive(searchParams.get("name") ?? "").then(
    (taskId) => response.end(taskId),
    (error: unknown) => response.writeHead(400).end(String(error)),
  );
});
web.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () => console.log("listens at", web.address()));
