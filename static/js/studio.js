// What the pages cannot do by htmx's attributes alone. Without this file everything still works.
//
//   1 refresh   2 players   3 time   4 toasts   5 form   6 small things

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/* --- 1 Refresh ------------------------------------------------------------------------------ */

// Cards that somebody is using, by id: their new HTML, or "" when they are to go.
const postponed = new Map();
// New cards that wait behind the pill, oldest first: somebody is reading further down.
const heldBack = new Map();

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.shouldSwap) return;
  if (detail.target.id === "detail") {
    skipUnchangedDetail(detail);
  } else if (detail.serverResponse.includes("hx-swap-oob")) {
    detail.serverResponse = prepared(detail.serverResponse, detail.target.id === "updates");
  }
});

/** The answer with each out-of-band card led to where it belongs on this page as it is now. */
function prepared(html, isRefresh) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const element of findAll("[hx-swap-oob]", body)) {
    const how = element.getAttribute("hx-swap-oob");
    const card = element.matches("article") ? element : find(":scope > article", element);
    if (card) placeCard(element, card, { isNew: how !== "true", isRefresh });
    else if (how === "delete") removeCard(element);
    else if (!find(how.includes(":") ? how.split(":")[1] : `#${element.id}`)) element.remove();
  }
  showPill();
  return body.innerHTML;
}

function placeCard(element, card, { isNew, isRefresh }) {
  const here = document.getElementById(card.id);
  const place = document.getElementById(card.id.replace("video", "place"));
  card.removeAttribute("hx-swap-oob");
  if (here) announce(here, card);
  if (!isRefresh && card.dataset.status === "processing") askSoon();
  if (here && isInUse(here)) {
    postponed.set(card.id, card.outerHTML);
    element.remove();
  } else if (here || place) {
    card.setAttribute("hx-swap-oob", `outerHTML:#${(here ?? place).id}`);
    element.replaceWith(card);
  } else if (heldBack.has(card.id)) {
    heldBack.set(card.id, card.outerHTML);
    element.remove();
  } else if (!isNew || !find("#grid")) {
    element.remove();
  } else if (isRefresh && scrollY > innerHeight) {
    heldBack.set(card.id, card.outerHTML);
    element.remove();
  }
}

function removeCard(element) {
  heldBack.delete(element.id);
  postponed.delete(element.id);
  const here = document.getElementById(element.id);
  if (here && !isInUse(here)) return;
  if (here) postponed.set(element.id, "");
  element.remove();
}

/** Would replacing this card take something out of somebody's hands? */
function isInUse(card) {
  const video = find("video", card);
  if (video && !video.paused && !video.ended) return true;
  if (card.contains(document.fullscreenElement ?? document.pictureInPictureElement)) return true;
  const selection = getSelection();
  const isSelected = !selection.isCollapsed && selection.getRangeAt(0).intersectsNode(card);
  return isSelected || Boolean(find("details[open], dialog[open], :popover-open", card));
}

function catchUp() {
  for (const [id, html] of postponed) {
    const card = document.getElementById(id);
    if (card && isInUse(card)) continue;
    postponed.delete(id);
    if (card && html) htmx.swap(card, html, { swapStyle: "outerHTML" });
    else card?.remove();
  }
}
// A moment later: a player that is being sought pauses in between.
const catchUpSoon = () => postponed.size && setTimeout(catchUp, 300);
for (const name of ["pause", "ended"]) document.addEventListener(name, catchUpSoon, true);
for (const name of ["selectionchange", "fullscreenchange"]) {
  document.addEventListener(name, catchUpSoon);
}

function showPill() {
  const pill = find(".newer");
  if (!pill) return;
  pill.replaceChildren();
  if (!heldBack.size) return;
  const button = make("button", { type: "button", className: "button is-primary" });
  button.textContent = `${heldBack.size} new ↑`;
  button.addEventListener("click", showHeldBack);
  pill.append(button);
}

function showHeldBack() {
  for (const html of heldBack.values()) {
    htmx.swap(find("#grid"), html, { swapStyle: "afterbegin" });
  }
  heldBack.clear();
  showPill();
  scrollTo({ top: 0, behavior: isCalm() ? "auto" : "smooth" });
  find("#grid article h2 a")?.focus({ preventScroll: true });
}

function announce(before, after) {
  if (before.dataset.status !== "processing" || after.dataset.status === "processing") return;
  const prompt = find("h2", after).textContent.trim();
  const start = prompt.length > 48 ? `${prompt.slice(0, 48).replace(/\s+\S*$/, "")}…` : prompt;
  const link = { text: "Open", href: find("h2 a", after).getAttribute("href") };
  if (after.dataset.status === "completed") toast(`${start} is ready`, { link });
  else toast(`${start} could not be made`, { link, level: "warning" });
}

function skipUnchangedDetail(detail) {
  const page = new DOMParser().parseFromString(detail.serverResponse, "text/html");
  const [before, after] = [detail.target, find("#detail", page)];
  const isSame = before.dataset.version === after?.dataset.version;
  if (isSame || isInUse(before)) detail.shouldSwap = false;
}

// In a hidden tab nobody looks: the questions rest, and the first one on return is asked at once.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && isRefresher(event.detail.elt)) event.preventDefault();
});
const isRefresher = (element) => element.id === "updates" || element.id === "detail";
const wake = () => findAll("#updates[hx-get], #detail[hx-get]").forEach((e) => htmx.trigger(e, "wake"));
document.addEventListener("visibilitychange", () => document.hidden || wake());
addEventListener("pageshow", (event) => event.persisted && wake());

/** Ask what changed although nothing was processing: somebody wants to know. */
function askOnce() {
  const updates = find("#updates:not([hx-get])");
  if (updates) htmx.ajax("GET", updates.dataset.ask, { target: updates, swap: "outerHTML" });
}
// Several cards may come at once: two answers for one place would show each of them twice.
let asking;
function askSoon() {
  clearTimeout(asking);
  asking = setTimeout(askOnce, 100);
}
document.addEventListener("refreshed", () => {
  toast("Checked with KIE.AI just now");
  for (const pace of findAll(".pace")) {
    pace.dataset.checked = new Date(Date.now() + skew * 1000).toISOString();
    delete pace.dataset.overdue;
  }
  askOnce();
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const connection = find("#connection");
  const isFine = detail.successful && isRefresher(detail.target ?? detail.elt);
  if (connection?.textContent && isFine) connection.textContent = "";
});
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, ({ detail }) => {
    const connection = find("#connection");
    if (connection && isRefresher(detail.target ?? detail.elt)) {
      connection.textContent = "Connection lost, trying again";
    } else {
      toast(sentenceFor(detail.xhr?.status), { level: "error" });
    }
  });
}

function sentenceFor(status) {
  if (!status) return "The studio could not be reached. What you typed is still here.";
  if (status === 403) return "This page is out of date. Reload it and try again.";
  if (status === 404) return "This video is no longer here.";
  if (status === 413) return "This file is too large.";
  if (status === 429) return "That was a little fast. Please try again in a moment.";
  return "Something went wrong. Please try again.";
}

// Whoever removes a card by keyboard goes on with the next one.
let lastFocused = "";
document.addEventListener("focusin", ({ target }) => {
  lastFocused = target.closest("article")?.id ?? "";
});
for (const grid of findAll("#grid, #trash")) {
  new MutationObserver((changes) => {
    for (const { removedNodes, nextSibling, previousSibling } of changes) {
      const isMine = [...removedNodes].some((node) => node.id && node.id === lastFocused);
      if (!isMine || document.activeElement !== document.body) continue;
      const next = neighbour(nextSibling, "nextSibling") ?? neighbour(previousSibling, "previousSibling");
      find("h2 a", next ?? document.createElement("i"))?.focus();
    }
  }).observe(grid, { childList: true });
}

function neighbour(node, direction) {
  while (node && node.nodeName !== "ARTICLE") node = node[direction];
  return node;
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "older") return;
  const last = neighbour(detail.target.previousSibling, "previousSibling");
  // Where Show older was, there now is the first older card.
  setTimeout(() => {
    const first = neighbour(last?.nextSibling, "nextSibling");
    if (first) find("h2 a", first)?.focus({ preventScroll: true });
  }, 50);
});

/* --- 2 Players ------------------------------------------------------------------------------ */

document.addEventListener(
  "play",
  ({ target }) => {
    target.classList.add("has-played");
    for (const other of findAll("video")) if (other !== target) other.pause();
  },
  true,
);

/* --- 3 Time --------------------------------------------------------------------------------- */

// The server's clock minus ours, read off the texts that the server has written.
let skew = 0;
const seen = new WeakSet();

function tick() {
  if (document.hidden) return;
  const times = findAll("[data-since]");
  for (const time of times) {
    if (!seen.has(time)) {
      seen.add(time);
      skew = inSeconds(time.textContent) - secondsSince(time.dataset.since);
    }
  }
  for (const time of times) write(time, asClock(secondsSince(time.dataset.since) + skew));
  for (const bar of findAll("progress[data-expected]")) advance(bar);
  for (const time of findAll(".stage .elapsed")) speak(time);
  for (const pace of findAll(".pace")) showPace(pace);
}

const secondsSince = (moment) => (Date.now() - Date.parse(moment)) / 1000;
const inSeconds = (clock) => clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

function asClock(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** An estimate, as the server makes it: 85 after the usual time, never above 95. */
function advance(bar) {
  const elapsed = Math.max(secondsSince(bar.dataset.from) + skew, 0);
  const k = -Math.log(1 - 85 / 95);
  const estimate = 95 * (1 - Math.exp((-k * elapsed) / Number(bar.dataset.expected)));
  if (estimate > bar.value) bar.value = estimate;
}

/** The elapsed time for who listens. */
function speak(time) {
  const whole = Math.max(Math.floor(secondsSince(time.dataset.since) + skew), 0);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const many = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;
  const short = minutes ? `${many(minutes, "minute")} ${whole % 60}` : many(whole, "second");
  const text = hours ? `${many(hours, "hour")} ${many(minutes, "minute")}` : short;
  write(find(".spoken", time.parentElement), `${text} elapsed`);
}

// From here on a video is checked seldom, and from there on it needs attention; as on the server.
const STUCK_AFTER = 15 * 60;
const ATTENTION_AFTER = 60 * 60;

/** A card that does not change is not sent again: that it is late shows by the clock alone. */
function showPace(pace) {
  const elapsed = secondsSince(pace.dataset.from) + skew;
  const isLate = elapsed >= Number(pace.dataset.late);
  const now = elapsed >= ATTENTION_AFTER ? "attention" : isLate ? "late" : "usual";
  for (const line of pace.children) line.hidden = line.dataset.pace !== now;
  const button = find(".check", pace.closest("article"));
  if (button) button.hidden = now === "usual";
  write(find(".checked", pace), asChecked(pace, elapsed));
}

/** When it was last checked, as far as this page knows; then how often that happens. */
function asChecked({ dataset }, elapsed) {
  const [pause, often] = elapsed < STUCK_AFTER ? [30, "20 s"] : [330, "5 minutes"];
  const age = dataset.checked ? secondsSince(dataset.checked) + skew : Infinity;
  if (age > pause && dataset.overdue === undefined) return `checked every ${often}`;
  if (age === Infinity) return "not checked yet";
  const whole = Math.max(Math.floor(age), 0);
  if (whole < 60) return `last checked ${whole} s ago`;
  const minutes = Math.floor(whole / 60);
  return `last checked ${minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`} ago`;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function asAgo(seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return "";
}

function tellAges() {
  for (const time of findAll(".card-meta time")) {
    const text = asAgo(secondsSince(time.dateTime) + skew);
    if (text) write(time, text);
  }
}

function tellLocally(root) {
  for (const time of findAll("time[data-local]", root)) {
    const at = new Date(time.dateTime);
    write(
      time,
      time.dataset.local === "time"
        ? at.toLocaleTimeString([], { timeStyle: "medium" })
        : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }),
    );
  }
}

setInterval(tick, 1000);
setInterval(tellAges, 30_000);
tick();

/* --- 4 Toasts ------------------------------------------------------------------------------- */

const MOST_TOASTS = 3;
const toasts = find("#toasts");

function toast(text, { level = "success", link = null } = {}) {
  if (!toasts) return;
  const box = make("div", { className: `toast is-${level}` });
  box.setAttribute("role", level === "error" ? "alert" : "status");
  box.append(make("p", { textContent: text }));
  if (link) {
    box.append(make("a", { className: "toast-action", href: link.href, textContent: link.text }));
  }
  toasts.append(box);
}

function watchToast(box) {
  const close = make("button", { type: "button", className: "toast-close" });
  close.setAttribute("aria-label", "Close");
  close.append(icon("x"));
  close.addEventListener("click", () => box.remove());
  box.append(close);
  if (box.classList.contains("is-error")) return;
  const patience = find("button.toast-action", box) ? 10_000 : 5_000;
  let timer = setTimeout(leave, patience);
  const wait = () => clearTimeout(timer);
  const goOn = () => {
    clearTimeout(timer);
    if (!box.matches(":hover, :focus-within")) timer = setTimeout(leave, patience);
  };
  box.addEventListener("pointerenter", wait);
  box.addEventListener("focusin", wait);
  box.addEventListener("pointerleave", goOn);
  box.addEventListener("focusout", () => setTimeout(goOn));
  function leave() {
    box.classList.add("is-leaving");
    setTimeout(() => box.remove(), 220);
  }
}

document.addEventListener("toast", ({ detail }) => toast(detail.text, detail));

if (toasts) {
  for (const box of findAll(".toast", toasts)) watchToast(box);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node.matches?.(".toast")) watchToast(node);
    }
    for (const old of findAll(".toast", toasts).slice(0, -MOST_TOASTS)) old.remove();
  }).observe(toasts, { childList: true });
}

/* --- 5 Form --------------------------------------------------------------------------------- */


/** The form as it came from the server, also after each swap. */
function prepareForm(form, { isSwapped }) {
  count();
  // Later than the browser, which takes the focus away when it goes there itself.
  if (!isSwapped) addEventListener("load", () => setTimeout(goToPlace));
  if (!isSwapped) return;
  const wrong = find("[aria-invalid=true], #form-errors, .rows > .error", form);
  if (wrong) wrong.focus();
  else if (document.activeElement === document.body) find("#submit", form).focus({ preventScroll: true });
}

/** A link from a failed card names what is to be changed: there one goes on. */
function goToPlace() {
  const place = document.getElementById(location.hash.slice(1));
  if (!place?.closest("#generate-form")) return;
  const control = place.matches("div") ? find("input:not([type=hidden]), select", place) : place;
  control?.focus();
}

function count() {
  const prompt = find("#id_prompt");
  if (!prompt) return;
  const longest = Number(find("#settings")?.dataset.longest ?? prompt.dataset.longest);
  const number = new Intl.NumberFormat("en");
  const counter = find("#prompt-counter");
  // As the server counts: characters, without blanks at the ends.
  const length = [...prompt.value.trim()].length;
  write(counter, `${number.format(length)} / ${number.format(longest)}`);
  counter.classList.toggle("is-over", length > longest);
  if (!CSS.supports("field-sizing", "content")) {
    prompt.style.height = "auto";
    prompt.style.height = `${prompt.scrollHeight + 2}px`;
  }
}

document.addEventListener("input", ({ target }) => {
  // What is being corrected is no longer called wrong.
  if (target.getAttribute("aria-invalid") && target.form?.id === "generate-form") {
    target.removeAttribute("aria-invalid");
    document.getElementById(`${target.id}_error`)?.remove();
  }
  if (target.id === "id_prompt") count();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  if (!event.ctrlKey && !event.metaKey) {
    // It ends what is being typed; what costs money wants a button pressed.
    if (!event.target.matches?.("#generate-form input:not([type=file])")) return;
    event.preventDefault();
    event.target.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
  const submit = event.target.closest?.("#generate-form") && find("#submit");
  if (submit && !submit.disabled) submit.form.requestSubmit(submit);
});
document.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (target.id === "generate-form") write(find("#submit span"), "Sending…");
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const label = detail.elt.id === "generate-form" && find("#submit span");
  if (label) write(label, "Generate video");
});
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "settings") return;
  count();
});

/* --- 6 Small things ------------------------------------------------------------------------- */

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

const THEMES = { system: "monitor", light: "sun", dark: "moon" };
const themeSwitch = find("#theme-switch");

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  themeSwitch.setAttribute("aria-label", `Theme: ${theme}`);
  themeSwitch.title = `Theme: ${theme}`;
  find("use", themeSwitch).setAttribute("href", `${document.body.dataset.icons}#${THEMES[theme]}`);
}

if (themeSwitch) {
  themeSwitch.hidden = false;
  showTheme();
  themeSwitch.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const now = document.documentElement.dataset.theme ?? "system";
    const next = names[(names.indexOf(now) + 1) % names.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // Not remembered, then.
    }
    showTheme();
  });
}

document.addEventListener("click", async ({ target }) => {
  for (const menu of findAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  const button = target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(find(button.dataset.copy).textContent);
  const label = find("span", button);
  write(label, "Copied");
  setTimeout(() => write(label, "Copy"), 2000);
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && find("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  find("summary", menu).focus();
});

function prepare(root) {
  if (navigator.clipboard) for (const button of findAll("[data-copy]", root)) button.hidden = false;
  tellLocally(root);
}

prepare(document);
if (find("#generate-form")) prepareForm(find("#generate-form"), { isSwapped: false });
document.addEventListener("htmx:afterSettle", ({ target }) => {
  prepare(target);
  if (target.id === "generate-form") prepareForm(target, { isSwapped: true });
});
