import { withoutSpareNames } from "@muster/bundle";
import test from "ava";

/** A template with brackets and quotes in its text and in its expression. */
const TEMPLATE = ["g(`a)$", '{h("}")}(`,"foo")'].join("");

const SPARE: readonly (readonly [string, string])[] = [
  ['function foo(){}__name(foo,"foo");', "function foo(){}foo;"],
  ['let foo=__name(()=>bar(")",/[)/"]/),"foo"),a=1;', 'let foo=()=>bar(")",/[)/"]/),a=1;'],
  [`let foo=__name(async x=>{${TEMPLATE}},"foo");`, `let foo=async x=>{${TEMPLATE}};`],
  ['f({a,foo:__name(function(){return 1/2},"foo")})', "f({a,foo:function(){return 1/2}})"],
  ['let foo=__name(()=>{let bar=__name(y=>y,"bar");return bar},"foo");', "let foo=()=>{let bar=y=>y;return bar};"],
];

test("a function that has its name anyway is not given it again, and nothing moves", (t) => {
  for (const [given, wanted] of SPARE) {
    const done = withoutSpareNames(given);
    t.is(done.replaceAll(" ", ""), wanted.replaceAll(" ", ""));
    t.is(done.length, given.length);
    // The rest of a line stays where it was, so that source maps hold.
    t.is(done.indexOf(";"), given.indexOf(";"));
  }
});

test("classes keep their names, as does what was renamed or would have no name or another", (t) => {
  for (const text of [
    'var Foo=class _Foo{static{__name(this,"Foo")}};',
    'function foo2(){}__name(foo2,"foo");',
    'let foo2=__name(()=>1,"foo");',
    'this.foo=__name(()=>1,"foo");',
    'call(__name(()=>1,"foo"));',
    'x?foo:__name(()=>1,"foo");',
    'let foo=__name(function bar(){},"foo");',
    'let foo=__name(memo(()=>1),"foo");',
  ]) {
    t.is(withoutSpareNames(text), text);
  }
});
