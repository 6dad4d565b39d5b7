// Tested by apps/dashboard/src/serve/serve_test.ts
import { setTimeout as pause } from "node:timers/promises";
import { configurationWarnings, decodeConfiguration, readConfigurationText } from "@muster/app/configuration";
import type { Context, Hono } from "hono";
import { listWaiting, listWorkers, planFile } from "@muster/tasks/operate";
import type { Guesses } from "../access/guesses.ts";
import { cleanName, isSame } from "../access/token.ts";
import type { Deed, Fields } from "../act/action.ts";
import { ACTIONS, act } from "../act/actions.ts";
import { problemOf } from "../api/serve_api.ts";
import { differencePage, wrongConfigurationPage } from "../pages/difference.ts";
import { signInPage } from "../pages/sign_in.ts";
import type { Sources } from "../read/sources.ts";
import { type Env, type PagesOptions, problemPage, sendPage } from "./answer_pages.ts";
import { TOO_MANY_GUESSES } from "./guard.ts";
import { actingOf, bearerSlowly, say, signIn, signOut } from "./visitor.ts";

/** Longest wait for a look at what an action has changed, ms. */
const LOOKED_MS = 5_000;

/** What forms are carried out with. */
export interface FormsOptions extends Pick<PagesOptions, "assets" | "token"> {
  readonly sources: Sources;
  readonly guesses: Guesses;
}

/** A path of our own, from what a form or a link says. */
export function ownPath(given: string | undefined): string {
  return given !== undefined && /^\/(?![/\\])[^\s\\]*$/.test(given) ? given : "/";
}

/** The fields of a form as texts. A file counts as its text. */
async function fieldsOf(context: Context): Promise<Fields> {
  const form = await context.req.parseBody({ all: true });
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(form)) {
    const values = Array.isArray(value) ? value : [value];
    const texts = await Promise.all(values.map((each) => (typeof each === "string" ? each : each.text())));
    fields[name] = texts.join(",");
  }
  return fields;
}

/** Who acts; undefined: nobody who may; `full`: too many wrong tokens come to look at this one. */
async function whoActs(
  context: Context<Env>,
  { token, guesses }: FormsOptions,
): Promise<{ name: string } | "full" | undefined> {
  const acting = actingOf(context, token);
  if (acting.kind === "signed in") return acting;
  return await bearerSlowly(context, token, guesses);
}

function wantsJson(context: Context): boolean {
  return context.req.header("accept")?.startsWith("application/json") ?? false;
}

/** The page from which a form was sent, without its origin. */
function cameFrom(context: Context): string {
  const referer = context.req.header("referer");
  if (referer === undefined) return "/";
  try {
    const { pathname, search } = new URL(referer);
    return ownPath(`${pathname}${search}`);
  } catch {
    return "/";
  }
}

function tell(context: Context, { said, to }: Pick<Deed, "said" | "to">, status: 200 | 403 | 409 | 429): Response {
  if (wantsJson(context)) return context.json(status === 200 ? { said, to: to ?? null } : { error: said }, status);
  say(context, { text: said, mood: status === 200 ? "plain" : "bad" });
  return context.redirect(to ?? cameFrom(context), 303);
}

async function answerAction(context: Context<Env>, options: FormsOptions): Promise<Response> {
  const { sources, token } = options;
  const action = ACTIONS.get(context.req.param("action") ?? "");
  if (action === undefined) return context.notFound();
  const who = await whoActs(context, options);
  if (who === "full") return tell(context, { said: TOO_MANY_GUESSES }, 429);
  if (who === undefined) {
    const said =
      token === undefined ? "Nothing can be changed here: MUSTER_TOKEN is not set" : "Sign in first; nothing was done";
    return tell(context, { said, to: `/sign-in?to=${encodeURIComponent(cameFrom(context))}` }, 403);
  }
  const { broker, database, composition } = sources;
  const address = context.env.incoming.socket.remoteAddress ?? "unknown";
  try {
    const deed = await act(
      action,
      { broker, database, composition, who: cleanName(who.name), address },
      await fieldsOf(context),
    );
    // The page that comes next shows what was done, also to who has no script that would bring it later.
    await Promise.race([sources.feed.lookAnew(), pause(LOOKED_MS, undefined, { ref: false })]);
    return tell(context, deed, 200);
  } catch (error) {
    return tell(context, { said: problemOf(error) }, 409);
  }
}

/** The text of the file that a form brought, or what was typed. */
async function configurationIn(context: Context): Promise<ReturnType<typeof decodeConfiguration>> {
  const { file, yaml = "" } = await context.req.parseBody();
  if (file instanceof File && file.size > 0) return decodeConfiguration(await file.bytes());
  return { text: typeof yaml === "string" ? yaml : "" };
}

async function answerDifference(context: Context<Env>, options: FormsOptions): Promise<Response> {
  const { broker, composition } = options.sources;
  const frame = { nav: "/configuration", isLive: false };
  const given = await configurationIn(context);
  const yaml = "text" in given ? given.text : "";
  const read =
    "text" in given
      ? await readConfigurationText(yaml, () => composition.tasks)
      : { kind: "wrong" as const, problems: [given.problem] };
  if (read.kind === "wrong") {
    const main = wrongConfigurationPage(yaml, read.problems);
    return sendPage(context, options, { ...frame, main, title: "It cannot be used", status: 400 });
  }
  try {
    const { found, changes } = await planFile(broker, read.file);
    const served = (await listWorkers(broker)).flatMap(({ tasks }) => tasks);
    const warnings = configurationWarnings(read, composition.tasks, served);
    const dropped = new Map<string, number>();
    if (changes.some(({ kind }) => kind === "vo removed")) {
      for (const { vo, ready, delayed } of await listWaiting(broker))
        dropped.set(vo, (dropped.get(vo) ?? 0) + ready + delayed);
    }
    const main = differencePage({ yaml, revision: found.newest, changes, dropped, warnings });
    return sendPage(context, options, { ...frame, title: "Difference", main });
  } catch (error) {
    const main = problemPage("The difference cannot be shown", problemOf(error));
    return sendPage(context, options, { ...frame, title: "Difference", main, status: 503 });
  }
}

async function answerSignIn(context: Context<Env>, options: FormsOptions): Promise<Response> {
  const { token, guesses } = options;
  const { name = "", token: given = "", to: asked } = await fieldsOf(context);
  const to = ownPath(asked);
  const refuse = (problem: string, status: 403 | 429) => {
    const main = signInPage(token, { to, problem });
    return sendPage(context, options, { main, title: "Sign in", nav: "", isLive: false, status });
  };
  if (guesses.isFull()) return refuse(TOO_MANY_GUESSES, 429);
  if (token !== undefined && isSame(given.trim(), token)) {
    signIn(context, token, name);
    return context.redirect(to, 303);
  }
  await guesses.wrong();
  return refuse("That is not the token. It is the value of MUSTER_TOKEN.", 403);
}

/** Adds what changes something: actions, the configuration, and the sign-in that allows them. */
export function serveForms(app: Hono<Env>, options: FormsOptions): void {
  app.post("/act/:action", (context) => answerAction(context, options));
  app.post("/configuration/difference", (context) => answerDifference(context, options));
  app.post("/sign-in", (context) => answerSignIn(context, options));
  app.get("/sign-in", (context) => {
    const main = signInPage(options.token, { to: ownPath(context.req.query("to")) });
    return sendPage(context, options, { main, title: "Sign in", nav: "", isLive: false });
  });
  app.post("/sign-out", (context) => {
    signOut(context);
    return context.redirect(cameFrom(context), 303);
  });
}
