// Tested by libs/app/src/tracing/database_spans_test.ts
import { type Attributes, type Context, context, propagation, type Span, SpanKind, trace } from "@opentelemetry/api";
import type { DatabaseSpan, DatabaseTracing } from "@muster/ledger";
import { fail } from "./span_failure.ts";

/*
 * Names and attributes follow OpenTelemetry's semantic conventions for databases. The text of a statement has placeholders; its values are
 * told nowhere.
 */

/** Longest part of a statement that is told, characters. */
const MOST_TEXT = 4_000;
/** A span of nobody: what is asked outside of any trace, as readiness does every few seconds, makes none. */
const NOTHING: DatabaseSpan = { end() {} };

/** What a statement does, in few words that do not vary with its values: `select pilot`. */
export function summaryOf(text: string): string {
  const first = /^\s*(\w+)/.exec(text)?.[1]?.toLowerCase() ?? "statement";
  const operation = first === "with" ? (/\b(insert|update|delete|merge)\b/i.exec(text)?.[1] ?? "select") : first;
  const table = /\b(?:from|into|update|join)\s+(?:only\s+)?"?([a-z_][\w.]*)/i.exec(text)?.[1];
  return table === undefined ? operation : `${operation.toLowerCase()} ${table}`;
}

function ended(span: Span): DatabaseSpan {
  return {
    end(error) {
      if (error !== undefined) fail(span, error);
      span.end();
    },
  };
}

function statement(text: string, parent: Context): DatabaseSpan {
  const summary = summaryOf(text);
  const attributes: Attributes = {
    "db.system.name": "postgresql",
    "db.query.text": text.slice(0, MOST_TEXT),
    "db.query.summary": summary,
    "db.operation.name": summary.split(" ", 1)[0] ?? summary,
  };
  return ended(trace.getTracer("muster").startSpan(summary, { kind: SpanKind.CLIENT, attributes }, parent));
}

/** Makes the spans of transactions and statements that are asked for within another span. */
export const databaseTracing: DatabaseTracing = {
  transaction() {
    if (trace.getActiveSpan() === undefined) return { ...NOTHING, statement: () => NOTHING };
    const parent = context.active();
    const span = trace
      .getTracer("muster")
      .startSpan("transaction", { attributes: { "db.system.name": "postgresql" } }, parent);
    const inside = trace.setSpan(parent, span);
    return { ...ended(span), statement: (text) => statement(text, inside) };
  },
  statement: (text) => (trace.getActiveSpan() === undefined ? NOTHING : statement(text, context.active())),
  headers() {
    const headers: Record<string, string> = {};
    propagation.inject(context.active(), headers);
    return headers;
  },
};
