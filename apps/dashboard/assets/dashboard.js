// The little script of the pages: updates as they come, questions before what cannot be undone, keys, and light or dark.
// Without it everything works that is not live.

const main = document.querySelector("main");
const said = document.querySelector("[data-said]");

/** Shows a sentence for some seconds. */
let hiding;
function say(text, mood = "plain") {
  said.textContent = text;
  said.className = `toast notice ${mood}`;
  clearTimeout(hiding);
  hiding = setTimeout(hideSaid, 12_000);
}
function hideSaid() {
  said.className = "toast hidden";
  said.textContent = "";
}
if (said.textContent !== "") hiding = setTimeout(hideSaid, 12_000);

/** Whether an element holds what a user is about to do, which no update may touch. */
function isInUse(element) {
  return element === document.activeElement && /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName);
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? (node.getAttribute("data-key") ?? node.id) : "";
}

function copyAttributes(from, to) {
  for (const { name } of [...to.attributes]) if (!from.hasAttribute(name)) to.removeAttribute(name);
  for (const { name, value } of from.attributes) if (to.getAttribute(name) !== value) to.setAttribute(name, value);
}

/** Makes the children of `to` those of `from`, and keeps every node that can stay, so that focus and selection stay. */
function morphChildren(from, to) {
  const keyed = new Map();
  for (const child of to.children) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  let at = to.firstChild;
  for (const wanted of [...from.childNodes]) {
    const key = keyOf(wanted);
    const known = key ? keyed.get(key) : undefined;
    if (known !== undefined && known.tagName === wanted.tagName) {
      if (known !== at) to.insertBefore(known, at);
      else at = at.nextSibling;
      morph(wanted, known);
      keyed.delete(key);
    } else if (at !== null && !key && !keyOf(at) && at.nodeName === wanted.nodeName) {
      const next = at.nextSibling;
      morph(wanted, at);
      at = next;
    } else to.insertBefore(document.importNode(wanted, true), at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function morph(from, to) {
  if (to.nodeType !== Node.ELEMENT_NODE) {
    if (to.nodeValue !== from.nodeValue) to.nodeValue = from.nodeValue;
    return;
  }
  // What somebody types or has chosen is theirs.
  if (isInUse(to) || /^(INPUT|SELECT|TEXTAREA)$/.test(to.tagName)) return;
  copyAttributes(from, to);
  morphChildren(from, to);
}

function show(text) {
  const made = document.createElement("template");
  made.innerHTML = text;
  const wanted = document.createElement("main");
  wanted.append(made.content);
  morphChildren(wanted, main);
}

/** Updates of this page, while somebody looks at it. */
let updates;
function listen() {
  if (!document.body.hasAttribute("data-live") || document.hidden || updates !== undefined) return;
  updates = new EventSource(location.href);
  updates.addEventListener("page", ({ data }) => {
    document.body.removeAttribute("data-stale");
    show(JSON.parse(data));
  });
  updates.addEventListener("error", () => document.body.setAttribute("data-stale", ""));
}
function stopListening() {
  updates?.close();
  updates = undefined;
}
document.addEventListener("visibilitychange", () => (document.hidden ? stopListening() : listen()));
window.addEventListener("pagehide", stopListening);
listen();

/** Actions are carried out without leaving the page. */
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const question = form.getAttribute("data-question");
  if (question !== null && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  if (!form.getAttribute("action")?.startsWith("/act/")) return;
  event.preventDefault();
  const button = event.submitter;
  button?.setAttribute("disabled", "");
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
    const told = await response.json();
    if (response.ok && told.to) {
      sessionStorage.setItem("said", told.said);
      location.assign(told.to);
    } else say(told.said ?? told.error, response.ok ? "plain" : "bad");
  } catch (error) {
    say(`The dashboard did not answer: ${error.message}`, "bad");
  } finally {
    button?.removeAttribute("disabled");
  }
});
const before = sessionStorage.getItem("said");
if (before !== null) {
  sessionStorage.removeItem("said");
  say(before);
}

/** Keys: `/` goes to the search, `g` and a letter to a page, `?` tells them. */
const PLACES = {
  o: "/",
  c: "/ces",
  q: "/queue",
  t: "/tasks",
  g: "/groups",
  s: "/schedules",
  d: "/dead",
  l: "/locks",
  w: "/workers",
};
const KEYS =
  "Keys: / search · g o overview · g c CEs · g q queue · g t tasks · g g groups · g s schedules · g d dead letters · g l locks · g w workers";
let isGoing = false;
document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  if (isGoing && PLACES[key] !== undefined) location.assign(PLACES[key]);
  else if (key === "/") {
    const search = document.querySelector("[data-search], input[type=search]");
    if (search === null) location.assign("/tasks");
    else search.focus();
    event.preventDefault();
  } else if (key === "?") say(KEYS);
  else if (key === "Escape") hideSaid();
  isGoing = key === "g" && !isGoing;
});

/** Light or dark, as the system has it until somebody chooses. */
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const themeSwitch = document.querySelector("[data-theme-switch]");
function chosenTheme() {
  return localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light");
}
function setTheme() {
  const theme = localStorage.getItem("theme");
  if (theme !== null) document.documentElement.setAttribute("data-theme", theme);
  themeSwitch.textContent = chosenTheme() === "dark" ? "Light" : "Dark";
}
themeSwitch.hidden = false;
themeSwitch.addEventListener("click", () => {
  localStorage.setItem("theme", chosenTheme() === "dark" ? "light" : "dark");
  setTheme();
});
dark.addEventListener("change", setTheme);
setTheme();
