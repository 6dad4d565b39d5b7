import test from "ava";
import { readPages } from "./markdown.ts";
import { findHardProse, sentencesOf } from "./prose.ts";

test("no sentence of the docs has over 30 words or an archaic turn, except the old decisions' long ones", async (t) => {
  t.deepEqual(findHardProse(await readPages()), []);
});

test("sentences are counted as a reader hears them: no code, no tables, and code between backticks as one word", (t) => {
  const page = [
    "# A heading",
    "",
    "One `two three` [four](five.md). Six **seven** eight, such as 9.5 %",
    "of ten!",
    "",
    "```ts",
    "const a = 1;",
    "```",
    "",
    "| a | table |",
    "- An item",
    "  goes on.",
    "- Another",
  ].join("\n");
  t.deepEqual(
    sentencesOf(page).map(({ line, text, words }) => [line, text, words]),
    [
      [3, "One Code four.", 3],
      [3, "Six seven eight, such as 9.5 % of ten!", 8],
      [11, "An item goes on.", 4],
      [13, "Another", 1],
    ],
  );
});

test("a long sentence and an archaic turn are named with their line, in old decisions only beyond what there was", (t) => {
  const long = `${"word ".repeat(31)}end.`;
  const messages = (path: string, text: string) =>
    findHardProse([{ path, text }]).map(({ line, message }) => [line, message]);
  t.is(messages("docs/a.md", `Short.\n\n${long}`)[0]?.[0], 3);
  t.regex(String(messages("docs/a.md", long)[0]?.[1]), /32 words; 30 are the limit/);
  t.regex(String(messages("docs/a.md", "It is made anew.")[0]?.[1]), /say "again"/);
  t.deepEqual(messages("docs/decisions/0006-a.md", `${long}\n\nIt is made anew.`), []);
  t.is(messages("docs/decisions/0099-a.md", long).length, 1);
  t.is(messages("docs/decisions/0006-a.md", `${long}\n\n`.repeat(51)).length, 51);
});
