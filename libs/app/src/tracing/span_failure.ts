import { type Span, SpanStatusCode } from "@opentelemetry/api";

/** What kind of failure an error is: its code, as PostgreSQL has them, or the name of its class. */
function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** Marks what a span is about as failed. */
export function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  span.setAttribute("error.type", typeOf(error));
}
