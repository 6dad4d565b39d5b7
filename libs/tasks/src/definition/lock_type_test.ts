import test from "ava";
import { defineLockType, LockTypeTakenError, lockTypeNames } from "./lock_type.ts";

test("a lock type is registered once, and the second registration names the first", (t) => {
  defineLockType("test_type");
  t.true(lockTypeNames().includes("test_type"));
  const error = t.throws(() => defineLockType("test_type"), { instanceOf: LockTypeTakenError });
  t.is(error.lockType, "test_type");
  t.regex(error.message, /lock_type_test\.ts:5/);
});

test("a key is the type and the escaped key, and keys that differ make locks that differ", (t) => {
  const site = defineLockType("test_site");
  t.deepEqual(site.mutex("ce01.cern.ch:9619/condor"), { kind: "mutex", key: "test_site.ce01.cern.ch=3A9619/condor" });
  const keys = ["a.b", "a=2Eb", "a..b", ".a", "a.", "ä", "=", "a b"].map((key) => site.mutex(key).key);
  t.is(new Set(keys).size, keys.length);
});

test("a name that is none, and an empty key, are refused", (t) => {
  for (const name of ["", "A", "1a", "a-b", "a.b", "x".repeat(65)]) {
    t.throws(() => defineLockType(name), { instanceOf: TypeError }, name);
  }
  t.throws(() => defineLockType("test_empty").mutex(""), { instanceOf: TypeError, message: /its key is empty/ });
});
