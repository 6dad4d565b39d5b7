import * as z from "zod";
import { Problem } from "../read/shapes.ts";
import type { Route } from "./route.ts";

function schemaOf(type: z.ZodType, io: "input" | "output"): object {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(type, { io, target: "draft-2020-12" });
  return schema;
}

function parametersOf({ parameters, inPath }: Route): object[] {
  return Object.entries(parameters.shape).map(([name, type]) => {
    const { description, ...schema } = schemaOf(type as z.ZodType, "input") as { readonly description?: string };
    const isInPath = inPath.includes(name);
    return { name, in: isInPath ? "path" : "query", required: isInPath, description: description ?? "", schema };
  });
}

function responseOf(description: string, type: z.ZodType): object {
  return { description, content: { "application/json": { schema: schemaOf(type, "output") } } };
}

function operationOf(route: Route): object {
  const { path, summary, response, inPath } = route;
  return {
    operationId: path
      .replace(/^\/api\//, "")
      .replace(/[^a-z]+(\w)/gi, (_, letter: string) => letter.toUpperCase())
      .replace(/\W/g, ""),
    summary,
    parameters: parametersOf(route),
    responses: {
      200: responseOf("As asked", response),
      400: responseOf("A parameter cannot be read", Problem),
      ...(inPath.length > 0 ? { 404: responseOf("There is none", Problem) } : {}),
      503: responseOf("A server did not answer", Problem),
    },
  };
}

/** The description of the read API by OpenAPI 3.1, made from the schemas by which it is typed. */
export function describeApi(routes: readonly Route[], version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Muster's dashboard",
      version,
      description: "What the pages show, as JSON. It only reads. Times are RFC 3339 in UTC.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operationOf(route) }])),
  };
}
