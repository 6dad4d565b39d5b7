import { html, type Markup } from "../markup/html.ts";
import { pageHead } from "../markup/parts.ts";

/** The page on which the token is typed, or on which it says how to set one. */
export function signInPage(token: string | undefined, { to, problem }: { to: string; problem?: string }): Markup {
  if (token === undefined) {
    return html`${pageHead("Read-only")}<div class="stack"><section class="card"><p>No token is set, so nothing can be changed from here. Set one and start the dashboard again:</p>
<pre>MUSTER_TOKEN=$(openssl rand -hex 20) node apps/dashboard/dist/main.js</pre>
<p></p><p class="quiet">Under <code>npm start</code> one is made by itself. It stands in <code>dashboard-token</code> in the data folder, which is <code>.muster</code>.</p></section></div>`;
  }
  return html`${pageHead("Sign in to act")}<div class="stack">${problem !== undefined && html`<section class="notice bad"><p>${problem}</p></section>`}<section class="card"><p>Everybody who reaches this page may look. To change something, type the token: the value of <code>MUSTER_TOKEN</code>, which <code>npm start</code> prints.</p>
<form class="row" method="post" action="/sign-in"><input type="hidden" name="to" value="${to}"><label>Your name<input name="name" required autocomplete="username" maxlength="64" placeholder="ana"></label><label class="wide">Token<input type="password" name="token" required autocomplete="current-password"></label><button class="main">Sign in</button></form>
<p></p><p class="quiet small">Your name stands beside what you change, under <a href="/audit">who did what</a>. You stay signed in for twelve hours.</p></section></div>`;
}
