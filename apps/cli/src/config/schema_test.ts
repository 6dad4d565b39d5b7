import { configurationJsonSchema } from "@muster/tasks/operate";
import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const PUBLISHED = join(import.meta.dirname, "..", "..", "..", "..", "docs", "reference", "muster.schema.json");

test("the published JSON schema is what the code checks by; write it anew with `muster config schema` where it is not", async (t) => {
  t.deepEqual(JSON.parse(await readFile(PUBLISHED, "utf8")), JSON.parse(JSON.stringify(configurationJsonSchema())));
});

/** Each object of a JSON schema with named fields, by where it stands. */
function objectsOf(schema: unknown, path = ""): [path: string, fields: object, isClosed: boolean][] {
  if (typeof schema !== "object" || schema === null) return [];
  const inside = Object.entries(schema).flatMap(([key, part]) => objectsOf(part, `${path}/${key}`));
  if (!("properties" in schema) || typeof schema.properties !== "object" || schema.properties === null) return inside;
  const isClosed = "additionalProperties" in schema && schema.additionalProperties === false;
  return [[path, schema.properties, isClosed], ...inside];
}

test("the published JSON schema describes every field, and takes no other", (t) => {
  const objects = objectsOf(JSON.parse(JSON.stringify(configurationJsonSchema())));
  t.true(objects.length >= 5);
  for (const [path, fields, isClosed] of objects) {
    t.true(isClosed, path);
    for (const [name, field] of Object.entries(fields)) {
      t.regex(JSON.stringify(field), /"description":"[A-Z][^"]+\."/, `${path}/${name}`);
    }
  }
});
