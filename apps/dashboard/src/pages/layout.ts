import { html, type Markup, type Part, trusted } from "../markup/html.ts";

/** The entries of the navigation, in groups. */
const NAVIGATION: readonly (readonly (readonly [href: string, name: string])[])[] = [
  [
    ["/", "Overview"],
    ["/ces", "CEs"],
    ["/queue", "Queue"],
    ["/tasks", "Tasks"],
    ["/groups", "Groups"],
    ["/schedules", "Schedules"],
  ],
  [
    ["/dead", "Dead letters"],
    ["/locks", "Locks"],
    ["/workers", "Workers"],
  ],
  [
    ["/configuration", "Configuration"],
    ["/audit", "Who did what"],
  ],
];

const MARK = trusted(
  '<svg viewBox="0 0 24 24" aria-hidden="true"><rect class="f1" x="1" y="1" width="22" height="22" rx="6"/><path d="M6.5 17V8l5.5 5.5L17.500 8v9" fill="none" stroke="var(--card)" stroke-width="2.200" stroke-linecap="round" stroke-linejoin="round"/></svg>',
);

/** Whether somebody may act, and what they are told of it. */
export type Acting =
  /** No token is set, so nobody may. */
  { readonly kind: "closed" } | { readonly kind: "signed out" } | { readonly kind: "signed in"; readonly name: string };

/** What stands around a page. */
export interface Frame {
  readonly title: string;
  readonly nav: string;
  /** The page's own address, to come back to. */
  readonly here: string;
  readonly acting: Acting;
  /** What was done just now. */
  readonly said?: { readonly text: string; readonly mood: "plain" | "bad" } | undefined;
  /** Digest of the assets, so that a browser keeps them until they change. */
  readonly assets: string;
  readonly isLive: boolean;
}

function entry(href: string, name: string, { nav, isGap }: { nav: string; isGap: boolean }): Markup {
  const current = href === nav ? html` aria-current="page"` : undefined;
  return html`<li class="${isGap && "gap"}"><a href="${href}"${current}>${name}</a></li>`;
}

function foot({ acting, here }: Frame): Markup {
  if (acting.kind === "closed")
    return html`<p class="quiet">Read-only: set <code>MUSTER_TOKEN</code> to act from here. <a href="/sign-in">How</a></p>`;
  if (acting.kind === "signed out") return html`<a href="/sign-in?to=${encodeURIComponent(here)}">Sign in to act</a>`;
  return html`<span class="quiet">Acting as ${acting.name}</span><form method="post" action="/sign-out"><button class="small">Sign out</button></form>`;
}

function navigation({ nav }: Frame): Part {
  return NAVIGATION.map((group, number) =>
    group.map(([href, name], index) => entry(href, name, { nav, isGap: number > 0 && index === 0 })),
  );
}

/** A whole page. */
export function layout(frame: Frame, main: Markup): Markup {
  const { title, acting, said, assets, isLive } = frame;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Muster</title>
<link rel="icon" href="/assets/icon.svg?${assets}" type="image/svg+xml">
<link rel="stylesheet" href="/assets/dashboard.css?${assets}">
<script src="/assets/dashboard.js?${assets}" defer></script>
</head>
<body class="${acting.kind === "signed in" ? "acts-allowed" : "reads"}"${isLive && html` data-live`}>
<a class="skip" href="#main">Skip to the page</a>
<header class="side">
<a class="brand" href="/">${MARK}Muster</a>
<nav aria-label="Pages"><ul>${navigation(frame)}</ul></nav>
<div class="foot">${foot(frame)}<button class="small" type="button" data-theme-switch hidden>Dark</button></div>
</header>
<main class="page" id="main" tabindex="-1">${main}</main>
<div class="toast${said === undefined ? " hidden" : ` notice ${said.mood}`}" role="status" data-said>${said?.text}</div>
</body>
</html>
`;
}
