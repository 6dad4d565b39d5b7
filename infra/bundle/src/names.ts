// Tested by tests/src/extension/names_test.ts
/**
 * esbuild gives each function its name at run time, by a call of `__name`, also where JavaScript would give it the same name. Such a call makes
 * a table of the function's properties. In an app the tables have 2 MB, and a nested function pays at each start of the outer one.
 */
const CALL = "__name(";

/** Words after which a slash begins a regular expression. */
const BEFORE_REGEXP = /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|instanceof|new|do|else|yield|await|throw)$/;

/** Returns the place after the string or the regular expression that begins at `at`. */
function afterQuoted(text: string, at: number): number {
  const quote = text[at];
  let isInClass = false;
  for (let place = at + 1; place < text.length; place++) {
    const character = text[place];
    if (character === "\\") place++;
    else if (quote === "/" && character === "[") isInClass = true;
    else if (quote === "/" && character === "]") isInClass = false;
    else if (character === quote && !isInClass) return place + 1;
  }
  return text.length;
}

function beginsRegExp(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 12), at);
  return /[(,=:[!&|?{};+\-*%<>~^]$/.test(before) || BEFORE_REGEXP.test(before);
}

/** Returns the place of the bracket that closes the one before `from`; -1: there is none. */
function closing(text: string, from: number): number {
  /** What closes each bracket that is open. A `` ` `` stands for the template around `${`. */
  const open = [")"];
  let place = from;
  while (place < text.length) {
    const character = text[place] ?? "";
    if (open.at(-1) === "`") {
      if (character === "\\") place++;
      else if (character === "`") open.pop();
      else if (character === "$" && text[place + 1] === "{") {
        open.push("}");
        place++;
      }
    } else if (character === '"' || character === "'" || (character === "/" && beginsRegExp(text, place))) {
      place = afterQuoted(text, place);
      continue;
    } else if (character === "`") open.push("`");
    else if (character === "(") open.push(")");
    else if (character === "[") open.push("]");
    else if (character === "{") open.push("}");
    else if (character === open.at(-1)) {
      open.pop();
      if (open.length === 0) return place;
    }
    place++;
  }
  return -1;
}

function blanks({ length }: { readonly length: number }): string {
  return " ".repeat(length);
}

/**
 * `foo=__name(()=>1,"foo")` and `{foo:__name(()=>1,"foo")}`: places that name the function by themselves. Returns the ranges of the text to
 * blank.
 */
function spareAround(text: string, call: number): readonly (readonly [number, number])[] {
  const before = text.slice(Math.max(0, call - 80), call);
  const name = /(?:(?:^|[^\w$.])([\w$]+)=|[{,]([\w$]+):)$/.exec(before)?.slice(1).find(Boolean);
  if (name === undefined) return [];
  const from = call + CALL.length;
  if (!/^(?:async\b ?)?(?:function\b(?! ?\*? ?[\w$])|\(|[\w$]+=>)/.test(text.slice(from, from + 80))) return [];
  const end = closing(text, from);
  const tail = `,${JSON.stringify(name)}`;
  // Where the bracket is another one than we think, this is not there.
  if (end < 0 || !text.startsWith(tail, end - tail.length)) return [];
  return [
    [call, from],
    [end - tail.length, end + 1],
  ];
}

/**
 * Blanks the calls of `__name` that give a function the name that it has anyway. What is left is as long as before, so source maps hold. Calls
 * that are needed stay: those of classes, and of what was renamed since two modules have the same name for it.
 */
export function withoutSpareNames(text: string): string {
  const declared = text.replaceAll(
    /(?<![\w$.])__name\(([\w$]+),"([\w$]+)"\)/g,
    (all: string, target: string, name: string) =>
      target === name ? `${target}${blanks({ length: all.length - target.length })}` : all,
  );
  const parts: string[] = [];
  const ranges: (readonly [number, number])[] = [];
  for (let call = declared.indexOf(CALL); call >= 0; call = declared.indexOf(CALL, call + 1)) {
    ranges.push(...spareAround(declared, call));
  }
  let done = 0;
  for (const [from, to] of ranges.toSorted(([a], [b]) => a - b)) {
    parts.push(declared.slice(done, from), blanks({ length: to - from }));
    done = to;
  }
  return parts.join("") + declared.slice(done);
}
