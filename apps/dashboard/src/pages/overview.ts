// Tested by apps/dashboard/src/serve/serve_test.ts
import { bar, chart, type Line } from "../markup/chart.ts";
import { ago, count, counted, duration, figure, rate, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { figures, link, pageHead, table } from "../markup/parts.ts";
import { OTHERS } from "../feed/samples.ts";
import type { CesData, OverviewData } from "../read/shapes.ts";
import type { Page } from "./page.ts";
import { stepTag } from "./step_tag.ts";

/** CEs that the overview shows. */
const SHOWN = 8;

function attention({ attention: found }: OverviewData): Markup {
  if (found.length === 0) return html``;
  const worst = found.some(({ level }) => level === "bad") ? "bad" : "warn";
  return html`<section class="notice ${worst}" aria-label="Needs attention"><ul>${found.map(
    ({ text, href }) => html`<li>${text}${href !== "/" && html` <a href="${href}">Look</a>`}</li>`,
  )}</ul></section>`;
}

function liveFigures(data: OverviewData): Markup {
  const { activePilots, slots, startLatencyMs, workers, permits } = data;
  return figures([
    { name: "Waiting", value: figure(data.waiting), more: `${count(data.inHand)} with workers`, href: "/queue" },
    { name: "Delayed", value: figure(data.delayed), more: "until they are due", href: "/queue" },
    { name: "Done", value: rate(data.donePerMinute), more: "a minute", href: "/tasks" },
    {
      name: "Start latency",
      value: startLatencyMs === null ? "–" : duration(startLatencyMs.p95),
      more: startLatencyMs === null ? "nothing started lately" : "95 % start within",
    },
    {
      name: "Dead letters",
      value: figure(data.deadLetters),
      more: data.deadLetters === 0 ? "none" : "to look at",
      href: "/dead",
    },
    { name: "Workers", value: count(workers), more: counted(permits, "permit"), href: "/workers" },
    ...(activePilots === null || slots === null
      ? []
      : [{ name: "Pilots", value: figure(activePilots), more: `in ${counted(slots, "slot")}`, href: "/ces" }]),
  ]);
}

/** The values of one field as a rate per minute. The present interval is left out until it has ended. */
function perMinute({ intervals, since }: OverviewData, field: "done" | "lost" | "retried"): (number | null)[] {
  const begun = intervals.findIndex(({ at, seconds }) => Date.parse(at) + seconds * 1_000 > Date.parse(since));
  return intervals.map((interval, index) =>
    index < begun || index === intervals.length - 1 ? null : (interval[field] * 60) / interval.seconds,
  );
}

/** The newest value of an interval that has ended. */
function newest(values: readonly (number | null)[]): number {
  return values.at(-2) ?? 0;
}

function line(name: string, colour: string, values: readonly (number | null)[]): Line {
  return { name, colour, values, now: rate(newest(values)) };
}

function latencyLine(data: OverviewData, name: "p50" | "p95", colour: string): Line {
  const values = data.intervals.map(({ startLatencyMs }) => startLatencyMs?.[name] ?? null);
  const known = values.findLast((value) => value !== null) ?? null;
  return { name: name === "p50" ? "median" : "95 %", colour, values, now: known === null ? "–" : duration(known) };
}

function waitingLines({ waitingByVo }: OverviewData): Line[] {
  return waitingByVo.map(({ vo, waiting: values }, index) => {
    const name = vo === OTHERS ? OTHERS : voText(vo);
    const now = values.findLast((value) => value !== null) ?? 0;
    return { name, values, colour: vo === OTHERS ? "6" : String(index + 1), now: figure(now) };
  });
}

/** Says where the line of what waits begins: nobody keeps what waited before. */
function waitingUnit({ waitingByVo }: OverviewData): string {
  const isPart = waitingByVo.some(({ waiting }) => waiting[0] === null);
  return isPart ? "tasks, since the dashboard started" : "tasks";
}

function charts(data: OverviewData): Markup {
  const first = data.intervals[0]?.at ?? data.at;
  const times = [
    `${duration(Math.round((Date.parse(data.at) - Date.parse(first)) / 60_000) * 60_000)} ago`,
    "now",
  ] as const;
  return html`<div class="two">
${chart({ title: "Throughput", unit: "tasks done a minute", lines: [line("done", "1", perMinute(data, "done"))], show: rate, ground: "filled", times, quiet: "No task has ended in the last half hour." })}
${chart({ title: "Start latency", unit: "from stored to started", lines: [latencyLine(data, "p50", "1"), latencyLine(data, "p95", "2")], show: duration, ground: "plain", times, quiet: "No task has started in the last half hour." })}
${chart({ title: "Failures", unit: "a minute", lines: [line("given up", "bad", perMinute(data, "lost")), line("retried", "warn", perMinute(data, "retried"))], show: rate, ground: "filled", times, quiet: "Nothing has failed in the last half hour." })}
${chart({ title: "Waiting per VO", unit: waitingUnit(data), lines: waitingLines(data), show: figure, ground: "plain", times, quiet: "Nothing waits." })}
</div>`;
}

function ceTable({ ces }: CesData): Markup {
  if (ces.length === 0) return html``;
  const fullest = [...ces].sort((a, b) => Number(b.enabled) - Number(a.enabled) || b.active - a.active).slice(0, SHOWN);
  return table({
    caption: "CEs",
    captionShown: "shown",
    narrow: "line",
    columns: [{ title: "CE" }, { title: "Slots", kind: "number" }, { title: "Active pilots", kind: "wide" }],
    rows: fullest.map(({ name, active, capacity, enabled }) => ({
      key: name,
      cells: [
        html`<a href="${link("/ces", { name })}">${name}</a>`,
        `${count(active)} of ${count(capacity)}`,
        enabled
          ? bar([{ name: "active", value: active, colour: "1" }], capacity, `${active} of ${capacity} slots are taken`)
          : html`<span class="quiet">disabled</span>`,
      ],
    })),
    empty: { title: "There is no CE", text: "" },
  });
}

function happenings({ events }: OverviewData): Markup {
  return table({
    caption: "Just happened",
    captionShown: "shown",
    narrow: "line",
    columns: [
      { title: "When" },
      { title: "Task" },
      { title: "VO" },
      { title: "Step" },
      { title: "Took", kind: "number" },
    ],
    rows: events.map(({ at, task, vo, step, tookMs, taskId, attempt }) => ({
      key: `${taskId} ${step} ${attempt}`,
      cells: [
        html`<span class="nowrap">${ago(at)}</span>`,
        html`<a href="${link("/task", { id: taskId })}">${task}</a>`,
        voText(vo),
        stepTag(step),
        tookMs === null ? "" : duration(tookMs),
      ],
    })),
    empty: {
      title: "Nothing has happened yet",
      text: html`Publish a task, as <code>muster task publish MyPilotReportTask</code>, and it shows here at once.`,
    },
  });
}

/** What happens now, and what needs attention. */
export const overviewPage: Page = {
  path: "/",
  nav: "/",
  everyMs: 2_000,
  async make(reads) {
    const [data, ces] = await Promise.all([reads.overview(), reads.ces().catch(() => ({ at: "", ces: [] }))]);
    const well = data.attention.length === 0 ? html`<p class="quiet">All is well.</p>` : undefined;
    return {
      title: "Overview",
      main: html`${pageHead("Overview", well)}<div class="stack">${attention(data)}${liveFigures(data)}${charts(data)}
<div class="two">${ceTable(ces)}${happenings(data)}</div></div>`,
    };
  },
};
