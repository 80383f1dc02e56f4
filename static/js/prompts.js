// Help with the form: earlier prompts, presets, a draft that survives. Without this file the same
// pages work, and a draft lives as long as its page.
//
//   1 dialog   2 earlier prompts   3 a walk through them   4 draft

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const promptField = () => find("#id_prompt");

/* --- 1 Dialog ------------------------------------------------------------------------------- */

const dialog = find("#help");
const sheet = find("#help-sheet");
// What the focus returns to: its id, since the element itself may be drawn anew meanwhile.
let opener = "";

document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.target !== sheet || !sheet) return;
  const menu = find("details.menu[open]");
  if (!dialog.open) opener = menu ? find("summary", menu).id : detail.elt.id;
  if (menu) menu.open = false;
  // A form is kept without its files; they need not travel.
  for (const [name, value] of [...detail.formData]) {
    if (value instanceof File) detail.formData.delete(name);
  }
});
document.addEventListener("htmx:afterSettle", ({ detail, target }) => {
  if (!sheet || target !== sheet || detail.target !== sheet || !sheet.childElementCount) return;
  if (!dialog.open) dialog.showModal();
  // Where a keyboard slides in, it would cover the list that one came for.
  const search = matchMedia("(pointer: coarse)").matches ? null : find("#past-search", sheet);
  const first = find("[aria-invalid=true], [autofocus]", sheet) ?? search;
  (first ?? find("#sheet-title", sheet)).focus();
});
document.addEventListener("helpDone", () => dialog.close());
dialog?.addEventListener("close", () => {
  // An answer that is still on its way has no place any more.
  for (const asking of findAll(".htmx-request", sheet)) htmx.trigger(asking, "htmx:abort");
  sheet.replaceChildren();
  document.getElementById(opener)?.focus();
});
dialog?.addEventListener("click", ({ target }) => {
  if (target.closest("[data-close]")) dialog.close();
});
// Not by a click: a text selected past the edge ends in one.
dialog?.addEventListener("pointerdown", ({ target }) => target === dialog && dialog.close());

/* --- 2 Earlier prompts ---------------------------------------------------------------------- */

const entries = () => findAll(".past-prompt[data-prompt]", dialog);

dialog?.addEventListener("click", (event) => {
  const entry = event.target.closest("[data-prompt]");
  if (!entry || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(entry.dataset.prompt);
});
dialog?.addEventListener("keydown", (event) => {
  const search = find("#past-search", dialog);
  if (!search || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") {
    // A search field would empty itself first.
    event.preventDefault();
    dialog.close();
  }
  const places = [search, ...entries()];
  const at = places.indexOf(document.activeElement);
  if (at < 0) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    places[Math.min(Math.max(to, 0), places.length - 1)].focus();
  } else if (event.key === "Enter" && document.activeElement === search) {
    event.preventDefault();
    // What is listed may still answer an older question.
    if (search.value.trim() === (search.dataset.answered ?? "")) places[1]?.click();
    else htmx.trigger(search, "search");
  } else if (at > 0 && event.key.length === 1 && event.key !== " ") {
    search.focus();
  }
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const search = find("#past-search");
  if (detail.target?.id !== "past-prompts" || !search) return;
  search.dataset.answered = detail.requestConfig.parameters.q.trim();
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "more-prompts") return;
  const before = findAll(".past-prompt").length;
  // Where Show older was, there now is the first older prompt.
  setTimeout(() => findAll(".past-prompt")[before]?.focus({ preventScroll: true }), 50);
});

function choose(text) {
  const typed = promptField().value;
  const place = walk.at && walk.at + 1;
  opener = "id_prompt";
  dialog.close();
  keepPlace();
  walk.texts.splice(1, 0, text);
  goTo(1, text);
  if (typed.trim() && typed !== text) toast("Prompt replaced", "Undo", () => goTo(place, typed));
}

// Browsers insert line by line, and lay the page out after each: hundreds would take seconds.
const MOST_UNDOABLE_LINES = 60;

/** Put a text into the prompt so that the browser's own undo takes it back. */
function write(text) {
  const prompt = promptField();
  prompt.focus();
  prompt.select();
  if (text.split("\n").length <= MOST_UNDOABLE_LINES) {
    if (text) document.execCommand("insertText", false, text);
    else document.execCommand("delete");
  }
  if (prompt.value === text) return;
  prompt.value = text;
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
}

/* --- 3 A walk through them ------------------------------------------------------------------ */

// What was being typed, then the earlier prompts, newest first; each as it was left. `at` is where
// the field stands; `next` is where older ones are to be had.
const atTheStart = () => ({ texts: [""], at: 0, seen: new Set(), next: null, isAsking: false });
let walk = atTheStart();

function keepPlace() {
  walk.texts[walk.at] = promptField().value;
}

function goTo(place, text) {
  walk.at = place;
  write(text);
  sayPlace(place);
}

document.addEventListener("keydown", (event) => {
  const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!by || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.id !== "id_prompt" || event.isComposing) return;
  event.preventDefault();
  step(by);
});

async function step(by) {
  if (walk.isAsking) return;
  keepPlace();
  if (walk.at + by === walk.texts.length) await askForOlder();
  const place = walk.at + by;
  if (place < 0 || place >= walk.texts.length || !promptField()) return sayPlace(place);
  keepPlace();
  goTo(place, walk.texts[place]);
}

function sayPlace(place) {
  const words = find("#prompt-walk");
  if (!words) return;
  words.replaceChildren();
  if (place >= walk.texts.length) words.append(place > 1 ? "No older one" : "None yet");
  else if (place > 0) {
    const whatFor = make("span", { className: "visually-hidden", textContent: "Earlier prompt, " });
    words.append(whatFor, `${place} back`);
  }
}

async function askForOlder() {
  const link = find("#prompt-history");
  if (walk.next === "" || !link) return;
  walk.isAsking = true;
  try {
    const headers = { "HX-Request": "true", "HX-Target": "past-prompts", "HX-Current-URL": location.href };
    const answer = await fetch(walk.next ?? link.href, { headers });
    const signIn = answer.headers.get("HX-Redirect");
    if (signIn) location.assign(signIn);
    if (!answer.ok || signIn) return;
    takeOlder(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    toast("Earlier prompts could not be fetched");
  } finally {
    walk.isAsking = false;
  }
}

function takeOlder(page) {
  const more = find("#more-prompts a", page)?.getAttribute("hx-get");
  walk.next = more ?? "";
  for (const { dataset } of findAll("[data-prompt]", page)) {
    // Not what stands in the field anyway.
    if (walk.seen.has(dataset.prompt) || walk.texts.includes(dataset.prompt)) continue;
    walk.seen.add(dataset.prompt);
    walk.texts.push(dataset.prompt);
  }
}

/* --- 4 Draft -------------------------------------------------------------------------------- */

// The tab's own draft first: it survives a reload. The other one survives the tab.
const STORES = ["sessionStorage", "localStorage"];
const DRAFT = `draft:${document.body.dataset.user}`;
const theForm = () => find("#generate-form");
// The form as the server gave it: what equals it need not be kept.
let untouched = "";
// Is there something of this page in the draft?
let isKept = false;
let isLeaving = false;

const valuesOf = (form) =>
  [...new FormData(form)].filter(
    ([name, value]) => typeof value === "string" && name !== "csrfmiddlewaretoken",
  );
const keyOf = (values) => values.find(([name]) => name === "idempotency_key")?.[1] ?? "";
const sameAs = (values) => JSON.stringify(values.filter(([name]) => name !== "idempotency_key"));

function eachStore(work) {
  for (const name of STORES) {
    try {
      work(window[name]);
    } catch {
      // Storage is closed to us, full or damaged: the page itself still holds the form.
    }
  }
}

function readDraft() {
  let draft = null;
  eachStore((store) => {
    const found = JSON.parse(store.getItem(DRAFT));
    if (Array.isArray(found?.values)) draft ??= found;
  });
  return draft;
}

/** Forget the draft; another tab's is not ours to forget. */
function dropDraft(key) {
  eachStore((store) => {
    const found = JSON.parse(store.getItem(DRAFT));
    if (store === sessionStorage || keyOf(found?.values ?? []) === key) store.removeItem(DRAFT);
  });
  isKept = false;
}

function keepDraft() {
  const form = theForm();
  if (!form || isLeaving) return;
  const values = valuesOf(form);
  if (sameAs(values) === untouched) {
    if (isKept) dropDraft(keyOf(values));
    return;
  }
  const draft = { values, typed: walk.at ? walk.texts[0] : null };
  eachStore((store) => store.setItem(DRAFT, JSON.stringify(draft)));
  isKept = true;
  // What is being worked on is no longer what the address says, and a reload is to show it.
  if (location.search) history.replaceState(history.state, "", location.pathname);
}

for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => target.form === theForm() && keepDraft());
}
addEventListener("pagehide", keepDraft);
document.addEventListener("submit", ({ target }) => {
  if (target.id !== "sign-out") return;
  isLeaving = true;
  eachStore((store) => store.removeItem(DRAFT));
});

document.addEventListener("htmx:afterSettle", ({ target, detail }) => {
  // Another service's settings, or a picture that has arrived.
  if (target.parentElement?.closest("#generate-form")) keepDraft();
  if (target.id !== "generate-form" || !detail.requestConfig) return;
  const { verb, parameters } = detail.requestConfig;
  const sent = parameters.idempotency_key;
  if (verb === "get" || parameters.show_settings) return;
  // A form that stands for another click, and says nothing is wrong: the first one has gone out.
  const isOut = detail.xhr.status === 200 && keyOf(valuesOf(target)) !== sent;
  if (!isOut) return keepDraft();
  dropDraft(sent);
  startAnew(target);
});

function startAnew(form) {
  untouched = sameAs(valuesOf(form));
  walk = atTheStart();
  sayPlace(0);
  tell("");
}

// The form is drawn anew by one at a time; where the studio is not reached, htmx has said so.
let drawing = Promise.resolve();
const restore = (draft) => (drawing = drawing.then(() => bringBack(draft)).catch(() => {}));
const discard = (draft) => (drawing = drawing.then(() => drop(draft)).catch(() => {}));

async function draw(verb, values) {
  const way = { source: "#draft-note", target: "#generate-form", swap: "outerHTML" };
  // What is sent meanwhile would be the form as it was, and its answer would find it gone.
  find("#submit").disabled = true;
  try {
    await htmx.ajax(verb, location.pathname, { ...way, values });
  } finally {
    find("#submit").disabled = false;
  }
}

/** Have the form filled in with the draft's values; the server knows each service's settings. */
async function bringBack(draft) {
  const values = new FormData();
  for (const [name, value] of draft.values) values.append(name, value);
  values.set("show_settings", "1");
  const prompt = promptField();
  prompt.value = values.get("prompt") ?? "";
  walk = atTheStart();
  if (draft.typed) Object.assign(walk, { texts: [draft.typed, prompt.value], at: 1 });
  // The focus stays here while the form is drawn anew, and so does what is typed meanwhile.
  prompt.focus({ preventScroll: true });
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
  tell("Draft restored", "Discard", () => discard(draft));
  await draw("POST", values);
  // The same click as before the reload: sent twice, it is still one video.
  const key = find("[name=idempotency_key]", theForm());
  if (keyOf(draft.values)) key.value = keyOf(draft.values);
  keepDraft();
}
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "generate-form" || !detail.requestConfig.parameters.show_settings) return;
  const typed = promptField().value;
  document.addEventListener("htmx:afterSwap", () => (promptField().value = typed), { once: true });
});

async function drop(draft) {
  dropDraft(keyOf(valuesOf(theForm())));
  promptField().focus({ preventScroll: true });
  await draw("GET");
  startAnew(theForm());
  toast("Draft discarded", "Undo", () => restore(draft));
}

/** A line above the form, and what can be done about it. */
function tell(text, label, act) {
  const line = find("#draft-note");
  if (!line) return;
  line.replaceChildren(text);
  if (!text) return;
  const button = make("button", { type: "button", className: "button is-quiet is-small", textContent: label });
  button.addEventListener("click", act);
  line.append(" ", button);
}

function toast(text, label, act) {
  const box = make("div", { className: "toast is-success" });
  box.setAttribute("role", "status");
  box.append(make("p", { textContent: text }));
  if (label) {
    const button = make("button", { type: "button", className: "toast-action", textContent: label });
    button.addEventListener("click", () => {
      box.remove();
      act();
    });
    box.append(button);
  }
  find("#toasts")?.append(box);
}

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

if (theForm()) {
  untouched = sameAs(valuesOf(theForm()));
  const draft = readDraft();
  const isNews = draft && sameAs(draft.values) !== untouched;
  const isAsSent = !find("[aria-invalid=true], [role=alert]", theForm());
  if (isNews && isAsSent && !location.search) restore(draft);
  else if (isNews && isAsSent) tell("An unsent draft is kept", "Restore it", () => restore(draft));
}
