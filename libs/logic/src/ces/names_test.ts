import test from "ava";
import { CeName, VoName } from "./names.ts";

for (const name of ["ce01", "ce01.cern.ch:9619/condor", "ce_1-a.example.org", "user@ce/queue", "1", "a".repeat(255)]) {
  test(`CE name ${name.slice(0, 40)} is accepted`, (t) => {
    t.is(CeName.parse(name), name);
  });
}

test("a CE's name is the same host in any case, and is kept in lower case", (t) => {
  t.is(CeName.parse("CE01.Example.ORG:9619/Condor"), "ce01.example.org:9619/condor");
  t.regex(CeName.safeParse("CE 01").error?.issues[0]?.message ?? "", /"CE 01"/, "a refusal shows what was given");
});

const refused: Record<string, string> = {
  "": "it is empty",
  "ce 01": 'it holds " " (U+0020)',
  "ce\u0000": "(U+0000)",
  cé: 'it holds "é" (U+00E9)',
  "ce😀": "(U+1F600)",
  "ce*": 'it holds "*"',
  "ce>": 'it holds ">"',
  "ce..ch": "two dots in a row",
  ".ce": "begins or ends with a sign",
  "ce/": "begins or ends with a sign",
  [`${"a".repeat(256)}`]: "it has 256 characters",
};
for (const [name, problem] of Object.entries(refused)) {
  test(`CE name ${JSON.stringify(name.slice(0, 40))} is refused: ${problem}`, (t) => {
    const [issue] = CeName.safeParse(name).error?.issues ?? [];
    t.true(issue?.message.includes(problem), issue?.message);
    t.regex(issue?.message ?? "", /letters, digits, - _ : \/ @ and single dots, 255 at most/);
  });
}

test("a VO name may be a domain, and holds nothing that a subject refuses", (t) => {
  t.is(VoName.parse("vo.cta.in2p3.fr"), "vo.cta.in2p3.fr");
  for (const name of ["", "_", "a b", "a..b", "a.", "*", ">", "ü", "a".repeat(129)])
    t.false(VoName.safeParse(name).success, name);
});

test("a long bad name is judged at once", (t) => {
  const started = performance.now();
  t.false(CeName.safeParse(`${"a.".repeat(100_000)}!`).success);
  t.false(CeName.safeParse(`${"a.".repeat(127)}.`).success);
  t.true(performance.now() - started < 10_000);
});
