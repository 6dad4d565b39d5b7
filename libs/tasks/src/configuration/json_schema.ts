import * as z from "zod";
import { FileDocument } from "./document.ts";

/** The JSON schema of a configuration file, by which editors complete and check it. It is made of the same schemas that Muster checks by. */
export function configurationJsonSchema(): object {
  return {
    title: "Muster configuration",
    description: "The live configuration of a Muster system, as `muster config apply` takes it.",
    ...z.toJSONSchema(FileDocument, {
      target: "draft-7",
      io: "input",
      override({ zodSchema, jsonSchema }) {
        // The check keeps unknown fields of the stored document. In a file they are mistakes.
        if (zodSchema instanceof z.ZodObject) jsonSchema.additionalProperties = false;
      },
    }),
  };
}
