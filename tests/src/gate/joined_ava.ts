// A test file of a group imports this in the place of ava, as `joined_ava.ts?file=PATH`: see run_group.ts.
import { declarationsOf } from "./declarations.ts";

const file = new URL(import.meta.url).searchParams.get("file") ?? "";

const test = declarationsOf(file);
export default test;
