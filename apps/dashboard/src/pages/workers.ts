import { ago, bytes, count, counted, duration } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, pageHead, table, tag } from "../markup/parts.ts";
import type { WorkersData } from "../read/shapes.ts";
import type { Page } from "./page.ts";

type Worker = WorkersData["workers"][number];

/** Tasks that are named of a worker. */
const NAMED = 6;

function tasksOf({ tasks }: Worker): string {
  const more = tasks.length > NAMED ? ` and ${tasks.length - NAMED} more` : "";
  return `${tasks.slice(0, NAMED).join(", ")}${more}`;
}

function handsOf({ running, permits, waitingForLocks }: Worker): Markup {
  const inUse = running === null ? counted(permits, "permit") : `${count(running)} of ${count(permits)}`;
  return html`${inUse}${waitingForLocks > 0 && html`<br><span class="small quiet">${counted(waitingForLocks, "task")} wait${waitingForLocks === 1 && "s"} for locks</span>`}`;
}

/** Workers: what each runs, how full and how well it is. */
export const workersPage: Page = {
  path: "/workers",
  nav: "/workers",
  everyMs: 3_000,
  async make(reads) {
    const { workers } = await reads.workers();
    const permits = workers.reduce((sum, worker) => sum + worker.permits, 0);
    return {
      title: "Workers",
      main: html`${pageHead("Workers", html`<p class="quiet">${counted(workers.length, "worker")} with ${counted(permits, "permit")}</p>`)}${table(
        {
          caption: "Workers",
          columns: [
            { title: "Worker", kind: "bare" },
            { title: "Tasks" },
            { title: "Running", kind: "number" },
            { title: "Lag", kind: "number" },
            { title: "Memory", kind: "number" },
            { title: "Version" },
            { title: "Since" },
            { title: "Actions", kind: "act" },
          ],
          rows: workers.map((worker) => ({
            key: worker.name,
            cells: [
              html`<strong>${worker.name}</strong>${worker.draining && html` ${tag("drains", "warn")}`}<br><span class="small quiet">${worker.host}, process ${worker.pid}</span>`,
              html`<span class="small">${tasksOf(worker)}</span>`,
              handsOf(worker),
              worker.lagMs === null ? "" : duration(worker.lagMs),
              worker.memoryBytes === null ? "" : bytes(worker.memoryBytes),
              worker.version,
              html`<span class="nowrap">${ago(worker.startedAt)}</span>`,
              worker.draining
                ? ""
                : actionButton({
                    ...{
                      action: "worker.drain",
                      text: "Drain",
                      label: `Drain ${worker.name}`,
                      fields: { name: worker.name },
                      mood: "danger",
                    },
                    question: `Let ${worker.name} take no more tasks and end? Its supervisor may start it again.`,
                  }),
            ],
          })),
          empty: {
            title: "No worker runs",
            text: html`Nothing is done until one does. <code>npm start</code> runs them on this machine; each app under <code>apps/</code> is one.`,
          },
        },
      )}`,
    };
  },
};
