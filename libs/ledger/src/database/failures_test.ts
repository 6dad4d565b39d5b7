import test from "ava";
import { DatabaseGoneError, meansAgain, meansGone, sqlStateOf } from "./failures.ts";

/** An error as pg makes it of the server's report. */
function reported(code: string): Error {
  return Object.assign(new Error("reported"), { code, severity: "ERROR" });
}

for (const state of ["08006", "57P01", "57P03", "25P03", "25P04", "25006", "53300", "58030", "28P01", "3D000"]) {
  test(`state ${state} tells of the server and not of the task`, (t) => {
    t.true(meansGone(reported(state)));
  });
}

for (const state of ["23505", "23514", "22P02", "42601", "42P01", "57014", "55P03", "53400", "25P02", "P0001"]) {
  test(`state ${state} is the task's own failure`, (t) => {
    t.false(meansGone(reported(state)));
    t.false(meansAgain(reported(state)));
  });
}

test("only a serialisation failure and a deadlock are done again", (t) => {
  t.true(meansAgain(reported("40001")));
  t.true(meansAgain(reported("40P01")));
  t.false(meansGone(reported("40P01")));
});

test("an error is found behind the one that wraps it, and a circle of causes ends", (t) => {
  t.true(meansGone(new Error("mine", { cause: new Error("inner", { cause: reported("57P01") }) })));
  const circle = new Error("a");
  circle.cause = circle;
  t.false(meansGone(circle));
});

test("what MikroORM makes of a lost connection is still one", (t) => {
  const gone = new DatabaseGoneError("use the database", new Error("cut"));
  t.true(meansGone(gone));
  t.true(meansGone(Object.assign(new Error(gone.message), { code: gone.code, cause: gone.cause })));
});

test("a task's own network failure is not the database's, though its code has five characters too", (t) => {
  const pipe = Object.assign(new Error("write EPIPE"), { code: "EPIPE", syscall: "write" });
  t.is(sqlStateOf(pipe), undefined);
  t.false(meansGone(pipe));
  t.false(meansGone(Object.assign(new Error("connect"), { code: "ECONNREFUSED", syscall: "connect" })));
  t.false(meansGone("not an error"));
});
