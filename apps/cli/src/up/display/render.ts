import type { PilotShare } from "@muster/logic";
import { escapeControls } from "@muster/service";
import type { Happening, ReadyFacts } from "./display.ts";
import type { Snapshot } from "../figures/snapshot.ts";
import { count } from "../../print/output.ts";
import { type Column, cut, renderTable } from "../../print/table.ts";
import { wrapCommand, wrapFacts } from "../../print/wrap.ts";

/** All data that one frame of the live view shows. */
export interface Frame {
  readonly facts: ReadyFacts;
  readonly snapshot: Snapshot | undefined;
  /** Oldest first. */
  readonly happenings: readonly Happening[];
  readonly now: Date;
  readonly columns: number;
  readonly rows: number;
}

const CE_COLUMNS: readonly Column[] = [
  { title: "CE", align: "left" },
  { title: "capacity", align: "right" },
  { title: "active", align: "right" },
  { title: "", align: "left" },
  { title: "done", align: "right" },
  { title: "failed", align: "right" },
];
const VO_COLUMNS: readonly Column[] = [
  { title: "VO", align: "left" },
  { title: "submitted", align: "right" },
  { title: "running", align: "right" },
  { title: "done", align: "right" },
  { title: "failed", align: "right" },
];
const BAR_WIDTH = 12;
/** Rows that are kept for the newest happenings, whatever the number of CEs. */
const HAPPENING_ROWS = 5;

/** A bar that is full when all slots are taken. */
export function renderBar(active: number, capacity: number): string {
  const share = capacity === 0 ? 0 : Math.min(active / capacity, 1);
  const filled = share === 0 ? 0 : Math.max(Math.round(share * BAR_WIDTH), 1);
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}

/** `1:02:03`, or `02:03` below an hour. */
export function renderDuration(ms: number): string {
  const seconds = Math.max(Math.floor(ms / 1_000), 0);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3_600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours === 0 ? rest : `${hours}:${rest}`;
}

function ceRows({ ces }: Snapshot): string[][] {
  return ces.map(({ name, enabled, capacity, active, done, failed }) => [
    escapeControls(name) + (enabled ? "" : " (disabled)"),
    String(capacity),
    String(active),
    renderBar(active, capacity),
    String(done),
    String(failed),
  ]);
}

function voRows({ shares }: Snapshot): string[][] {
  return [...Map.groupBy(shares, ({ vo }) => vo)].sort().map(([vo, own]) => {
    const sum = (status: "submitted" | "running" | "done" | "failed") =>
      String(own.reduce((total, share) => total + share[status], 0));
    return [escapeControls(vo), sum("submitted"), sum("running"), sum("done"), sum("failed")];
  });
}

/** A word that a shell takes unchanged. */
const PLAIN_WORD = /^[A-Za-z0-9._:/@-]+$/;

/** Returns a VO and a CE for the example command: a pair that has had pilots, or one of the demo. */
function exampleOf({ ces, shares }: Pick<Snapshot, "ces" | "shares">): Pick<PilotShare, "ceName" | "vo"> {
  const isOpen = ({ ceName, vo }: PilotShare) =>
    ces.some(({ name, enabled, vos }) => name === ceName && enabled && (vos === null || vos.includes(vo)));
  const tried = shares.find((share) => PLAIN_WORD.test(share.ceName) && PLAIN_WORD.test(share.vo) && isOpen(share));
  return tried ?? { vo: "lhcb", ceName: "ce01.example.org" };
}

function counts({ summary: { tasks }, deadLetters }: Snapshot): string[] {
  const dead = deadLetters === undefined ? "dead letters: unknown" : count(deadLetters, "dead letter");
  return [`tasks: ${tasks.done} done, ${tasks.failed} failed`, dead];
}

function head({ facts, now, snapshot, columns }: Frame): string[] {
  const { dashboard, readyAt, endsAt, natsUrl, databaseUrl, dataDir, hasNats } = facts;
  const left = endsAt === undefined ? "Ctrl-C stops" : `stops in ${renderDuration(endsAt.getTime() - now.getTime())}`;
  const state = ["Muster", `up ${renderDuration(now.getTime() - readyAt.getTime())}`, left];
  const { vo, ceName } = exampleOf(snapshot ?? { ces: [], shares: [] });
  const command = hasNats ? ["nats", "pub", "-s", natsUrl] : [`NATS_URL=${natsUrl}`, "npx", "muster", "pub"];
  const words = ["Try:", ...command, `tasks.MyPilotTask.${vo}`, `'{"ceName":"${ceName}"}'`];
  return [
    ...wrapFacts(
      [`Dashboard: ${dashboard.url}`, `token to act there: ${dashboard.token}`].map(escapeControls),
      columns,
    ),
    ...wrapFacts([...state, ...(snapshot === undefined ? [] : counts(snapshot))], columns),
    ...wrapFacts([natsUrl, databaseUrl, `data in ${dataDir}`].map(escapeControls), columns),
    ...wrapCommand(words.map(escapeControls), columns),
  ];
}

function happeningLine({ at, text }: Happening): string {
  const time = at.toTimeString().slice(0, 8);
  return `${time}  ${escapeControls(text)}`;
}

/**
 * Returns the lines of one frame: at most `rows` lines, none wider than `columns`.
 *
 * If there is too little room, the tables are cut first, so that some of the newest happenings are always shown.
 */
export function renderFrame(frame: Frame): string[] {
  const { snapshot, happenings, columns, rows } = frame;
  const tables =
    snapshot === undefined
      ? ["", "reading the database ..."]
      : [
          "",
          ...renderTable(CE_COLUMNS, ceRows(snapshot), columns),
          "",
          ...renderTable(VO_COLUMNS, voRows(snapshot), columns),
        ];
  const top = [...head(frame), ...tables];
  const room = Math.max(rows - HAPPENING_ROWS - 2, 3);
  const shownTop = top.length > room ? [...top.slice(0, room - 1), `… ${top.length - room + 1} more lines`] : top;
  const left = Math.max(rows - shownTop.length - 2, 0);
  const news = left === 0 ? [] : happenings.slice(-left).map(happeningLine);
  return [...shownTop, "", "Just happened", ...news].slice(0, rows).map((line) => cut(line, columns));
}
