import test from "ava";
import { escapeKey, escapeToken, unescapeToken } from "./token.ts";

/** What the KV client takes for a key, and a server for tokens of a subject. */
const KEY = /^[-/=A-Za-z0-9_]+(\.[-/=A-Za-z0-9_]+)*$/;
const TOKEN = /^[-=A-Za-z0-9_]+$/;

const ALPHABET = [..."ab.././:=%@ ", "é", "ü", "漢", "🛰️", "\u0000", "\n", "\ufeff"];

function randomText(random: () => number): string {
  const length = 1 + Math.floor(random() * 12);
  return Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join("");
}

test("every text becomes a legal key and a legal token, and comes back from them", (t) => {
  for (let count = 0; count < 20_000; count++) {
    const text = randomText(Math.random);
    const [key, token] = [escapeKey(text), escapeToken(text)];
    if (!KEY.test(key) || !TOKEN.test(token) || unescapeToken(key) !== text || unescapeToken(token) !== text) {
      t.fail(`${JSON.stringify(text)} becomes key ${key} and token ${token}`);
      return;
    }
  }
  t.pass();
});

test("a CE's name reads well in a key, and its port and slash are escaped by byte", (t) => {
  t.is(escapeKey("ce01.example.org"), "ce01.example.org");
  t.is(escapeKey("ce01.cern.ch:9619/condor"), "ce01.cern.ch=3A9619/condor");
  t.is(escapeToken("a.b/ü"), "a=2Eb=2F=C3=BC");
});

test("an escape that is cut off, or is no UTF-8, is refused", (t) => {
  for (const token of ["a=", "a=3", "a=3g", "a=3a", "=FF"]) t.throws(() => unescapeToken(token), undefined, token);
});
