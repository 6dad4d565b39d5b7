import test from "ava";
import { ZodError } from "zod";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { addCe, CeExistsError, changeCe, disableCe, enableCe, removeCe, UnknownCeError } from "./administer_ces.ts";
import { listCeStates } from "./list_ce_states.ts";
import { listCes } from "./list_ces.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const ce = { name: "ce01.cern.ch:9619/condor", capacity: 4, successRate: 0.5 };
const listed = { ...ce, enabled: true, vos: null, active: 0, done: 0, failed: 0 };

test("a CE is added, changed, disabled, enabled and removed", async (t) => {
  await using database = await server.open();
  await database.transaction((transaction) => addCe(transaction, ce));
  t.deepEqual(await database.transaction(listCes), [listed]);
  await database.transaction((transaction) => changeCe(transaction, ce.name, { capacity: 0, vos: ["lhcb"] }));
  await database.transaction((transaction) => disableCe(transaction, ce.name));
  t.deepEqual(await database.transaction(listCes), [{ ...listed, capacity: 0, vos: ["lhcb"], enabled: false }]);
  await database.transaction((transaction) => changeCe(transaction, ce.name, { successRate: 1, vos: null }));
  await database.transaction((transaction) => enableCe(transaction, ce.name));
  t.deepEqual(await database.transaction(listCes), [{ ...listed, capacity: 0, successRate: 1 }]);
  t.deepEqual(await database.transaction((transaction) => removeCe(transaction, ce.name)), { activePilots: 0 });
  t.deepEqual(await database.transaction(listCes), []);
});

test("CEs are listed by name with what their pilots do", async (t) => {
  await using database = await server.open();
  for (const name of ["ce02", "ce01"]) await database.transaction((transaction) => addCe(transaction, { ...ce, name }));
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values
       ('ce01', 'lhcb', 'SUBMITTED', 'a', 0, 9), ('ce01', 'atlas', 'RUNNING', 'b', 0, 9), ('ce01', 'lhcb', 'DONE', 'c', 0, 9),
       ('ce01', 'lhcb', 'FAILED', 'd', 0, 9), ('ce01', 'lhcb', 'FAILED', 'e', 0, 9), ('gone', 'lhcb', 'DONE', 'f', 0, 9)`,
  );
  t.deepEqual(await database.transaction(listCes), [
    { ...listed, name: "ce01", active: 2, done: 1, failed: 2 },
    { ...listed, name: "ce02" },
  ]);
});

test("the present state of a CE has the active pilots of each VO, and none that have ended", async (t) => {
  await using database = await server.open();
  for (const name of ["ce02", "ce01"]) await database.transaction((transaction) => addCe(transaction, { ...ce, name }));
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values
       ('ce01', 'lhcb', 'SUBMITTED', 'a', 0, 9), ('ce01', 'atlas', 'RUNNING', 'b', 0, 9), ('ce01', 'lhcb', 'RUNNING', 'c', 0, 9),
       ('ce01', 'lhcb', 'RUNNING', 'd', 0, 9), ('ce01', 'cms', 'FAILED', 'e', 0, 9), ('gone', 'lhcb', 'RUNNING', 'f', 0, 9)`,
  );
  const { active: _active, done: _done, failed: _failed, ...state } = listed;
  const active = [
    { vo: "atlas", submitted: 0, running: 1 },
    { vo: "lhcb", submitted: 1, running: 2 },
  ];
  t.deepEqual(await database.transaction(listCeStates), [
    { ...state, name: "ce01", active },
    { ...state, name: "ce02", active: [] },
  ]);
});

test("a second CE of the same name is refused, and the first one stays", async (t) => {
  await using database = await server.open();
  await database.transaction(async (transaction) => {
    await addCe(transaction, ce);
    await t.throwsAsync(addCe(transaction, { ...ce, capacity: 9 }), { instanceOf: CeExistsError });
  });
  t.deepEqual(await database.transaction(listCes), [listed]);
});

test("a CE is one and the same in whatever case it is written", async (t) => {
  await using database = await server.open();
  const shouted = ce.name.toUpperCase();
  await database.transaction((transaction) => addCe(transaction, { ...ce, name: shouted }));
  t.deepEqual(await database.transaction(listCes), [listed]);
  await database.transaction(async (transaction) => {
    await t.throwsAsync(addCe(transaction, { ...ce, name: "Ce01.cern.CH:9619/condor" }), { instanceOf: CeExistsError });
    await changeCe(transaction, shouted, { capacity: 9 });
    await disableCe(transaction, "Ce01.Cern.ch:9619/condor");
  });
  t.deepEqual(await database.transaction(listCes), [{ ...listed, capacity: 9, enabled: false }]);
  await database.transaction((transaction) => enableCe(transaction, shouted));
  t.deepEqual(await database.transaction((transaction) => removeCe(transaction, shouted)), { activePilots: 0 });
  const bySql = database.transaction((transaction) =>
    transaction.execute("insert into compute_element (name, capacity, success_rate) values ('CE02', 1, 1)"),
  );
  await t.throwsAsync(bySql, { message: /compute_element_name_check/ });
});

test("what is done to an unknown CE is refused by its name", async (t) => {
  await using database = await server.open();
  for (const act of [changeCe, enableCe, disableCe, removeCe]) {
    const error = await t.throwsAsync(
      database.transaction(async (transaction) => act(transaction, "ce99", {})),
      { instanceOf: UnknownCeError },
    );
    t.is(error?.ceName, "ce99");
  }
});

test("a setting that cannot be is refused with its name, and nothing changes", async (t) => {
  await using database = await server.open();
  await database.transaction((transaction) => addCe(transaction, ce));
  for (const [setting, value] of Object.entries({ capacity: -1, successRate: 1.1, vos: ["a b"] })) {
    const change = database.transaction((transaction) => changeCe(transaction, ce.name, { [setting]: value }));
    const error = await t.throwsAsync(change, { instanceOf: ZodError });
    t.is(error?.issues[0]?.path[0], setting);
  }
  const misspelt = { ...ce, name: "ce02", capactiy: 2 };
  await t.throwsAsync(
    database.transaction((transaction) => addCe(transaction, misspelt)),
    { instanceOf: ZodError },
  );
  t.deepEqual(await database.transaction(listCes), [listed]);
});
