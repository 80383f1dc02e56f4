// What a video is made from: files are handed in as soon as they are chosen, dropped or pasted.
// Without this file they travel with the form.

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const form = () => find("#generate-form");
const tell = (text, level = "warning") =>
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, level } }));

// Where a file of a kind goes when the chosen service has no place for it: another service has.
const USUAL_SLOT = { image: "image", video: "video", audio: "audio", document: "document" };
const KIND_WORDS = { image: "picture", video: "clip", audio: "recording", document: "document" };
// Old and foreign ones too: the studio says what to do with them.
const IS_DOCUMENT = /^text\/|^application\/(pdf|rtf|msword|vnd\.(ms-|oasis\.|openxmlformats-))/;
// Browsers know no type for some of them.
const IS_CALLED_DOCUMENT = /\.(pdf|docx?|pptx?|xlsx?|txt|md|markdown)$/i;

/* --- Handing in ----------------------------------------------------------------------------- */

function kindOf({ name, type }) {
  const isDocument = type ? IS_DOCUMENT.test(type) : IS_CALLED_DOCUMENT.test(name);
  return isDocument ? "document" : type.split("/")[0];
}

const roomOf = (slot) => Number(slot.dataset.most) - findAll(".tile", slot).length;
// By what the place is: its file input is not there while it is full.
const takesMany = (place) => Number(place.dataset.most) > 1;
const NO_ROOM = "There is no room for more. Remove one first.";
const UNREACHABLE = "The studio could not be reached. Please try again.";
const OUT_OF_DATE = "This page is out of date. Reload it and try again.";
/** The id of the tile that came; "" where something else did: the sign-in page, for one. */
const tileIdIn = (text) => text.match(/id="(kept-[^"]+)"/)?.[1] ?? "";

/** Each file to the first place of its kind that has room, else to one of another service. */
function take(files) {
  for (const file of files) {
    const kind = kindOf(file);
    if (!USUAL_SLOT[kind]) {
      tell("Pictures, clips, recordings and documents are taken. This file is none of them.");
      continue;
    }
    const slots = findAll(`#inputs .slot[data-kind="${kind}"]:not(.is-unwanted)`);
    const slot = slots.find((each) => roomOf(each) > 0) ?? slots.find((each) => !takesMany(each));
    if (slot) handIn(slot, slot.dataset.slot, file);
    else if (slots.length) tell(`There is no room for another ${KIND_WORDS[kind]}. Remove one first.`);
    else handIn(find("#inputs .strangers"), USUAL_SLOT[kind], file);
  }
}

/** As many of the files as the place has room for; a place for one has it always. */
function handInAll(slot, files) {
  const room = takesMany(slot) ? Math.max(roomOf(slot), 0) : 1;
  for (const file of files.slice(0, room)) handIn(slot, slot.dataset.slot, file);
  if (files.length > room) complain(slot, room ? `At most ${room} more, please.` : NO_ROOM);
}

function handIn(place, slot, file) {
  const tiles = find(".tiles", place) ?? place;
  const isOnly = place.matches(".slot") && !takesMany(place);
  const tile = comingTile(file);
  const before = isOnly ? [...tiles.children] : [];
  if (isOnly) tiles.replaceChildren(tile);
  else tiles.append(tile);
  complain(place, "");
  const body = new FormData();
  body.append("slot", slot);
  body.append("provider", find("#settings").dataset.service);
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.open("POST", form().dataset.handIn);
  request.setRequestHeader("x-csrftoken", find("[name=csrfmiddlewaretoken]", form()).value);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    find("progress", tile).value = loaded / total;
  });
  // By the end of it, what was stopped looks like what was cut off.
  let unanswered = UNREACHABLE;
  request.addEventListener("abort", () => {
    unanswered = "The upload was stopped.";
  });
  request.addEventListener("loadend", () => {
    // The settings may have been swapped meanwhile, and the tile with them.
    const now = document.getElementById(place.id) ?? find("#inputs .strangers");
    if (!tile.isConnected) (find(".tiles", now) ?? now).append(tile);
    arrived(request, tile, now, before);
    if (!request.status) complain(now, unanswered);
    changed();
  });
  find("button", tile).addEventListener("click", () => request.abort());
  request.send(body);
}

/** The file's tile in place of the coming one; else why not, and what stood there `before`. */
function arrived(request, tile, place, before) {
  const id = request.status === 200 && tileIdIn(request.responseText);
  if (!id) tile.replaceWith(...before);
  // The same file twice is there once.
  else if (document.getElementById(id)) tile.remove();
  else tile.outerHTML = request.responseText;
  if (!id && request.status) complain(place, sentenceFor(request));
}

function sentenceFor(request) {
  if (request.status === 422) return request.responseText;
  if (request.status === 413) return "This file is too large.";
  if (request.status === 403 || request.status === 200) return OUT_OF_DATE;
  return "The file could not be handed in. Please try again.";
}

function comingTile(file) {
  const tile = document.createElement("li");
  tile.className = "tile is-coming";
  const label = document.createElement("p");
  const name = document.createElement("strong");
  name.className = "tile-name";
  name.textContent = file.name;
  const progress = document.createElement("progress");
  progress.max = 1;
  progress.value = 0;
  progress.setAttribute("aria-label", `Handing in ${file.name}`);
  label.append(name, progress);
  const stop = document.createElement("button");
  stop.type = "button";
  stop.className = "button is-small";
  stop.textContent = "Stop";
  tile.append(label, stop);
  return tile;
}

// By the id of its place: what was wrong with a file is still to be read when the settings follow.
const complaints = new Map();
let service = find("#settings")?.dataset.service;

function complain(place, text) {
  const error = place && find(".upload-error", place);
  if (!error) {
    if (text) tell(text, "error");
    return;
  }
  complaints.set(place.id, text);
  error.textContent = text;
  error.hidden = !text;
}

/** The files decide which services and settings there are: have the form follow. */
function changed() {
  if (isComing()) return;
  isFollowing = true;
  find("#inputs")?.dispatchEvent(new Event("inputs-changed"));
}

/* --- Sending waits for files that are on their way ------------------------------------------- */

// The place whose picture was just cropped: the button for it is gone by then.
let cropped = "";
const isComing = () => findAll(".tile.is-coming").length > 0;
let isFollowing = false;
let isSendingWanted = false;

document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== form() || !(isComing() || isFollowing)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    isSendingWanted = true;
    find("#submit span").textContent = "Handing in the file…";
  },
  { capture: true },
);

/** The form is whole: what was wanted meanwhile is done, unless a file could not be taken. */
function followed() {
  isFollowing = false;
  if (!isSendingWanted || isComing()) return;
  isSendingWanted = false;
  find("#submit span").textContent = "Generate video";
  const isWrong = findAll(".upload-error").some((error) => !error.hidden);
  if (!isWrong) form().requestSubmit(find("#submit"));
}

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.id === "inputs" && !detail.successful) followed();
});

document.addEventListener("change", ({ target }) => {
  if (target.closest?.("#settings")) showWhatCounts();
});
document.addEventListener(
  "change",
  (event) => {
    const slot = event.target.matches?.("#generate-form input[type=file]") && event.target.closest(".slot");
    if (!slot) return;
    // The settings follow when the files are there: an earlier question would cancel that one.
    event.stopPropagation();
    const files = [...event.target.files];
    event.target.value = "";
    handInAll(slot, files);
  },
  { capture: true },
);
document.addEventListener("click", ({ target }) => {
  const tile = target.closest(".remove-input")?.closest(".tile");
  if (!tile) return;
  const slot = tile.closest(".slot");
  tile.remove();
  if (slot) complain(slot, "");
  changed();
  find("input[type=file]", slot ?? document)?.focus();
});
document.addEventListener("click", ({ target }) => {
  const back = target.closest(".back-to");
  if (!back) return;
  // The button leaves with the settings that it stands in; what it has chosen stays.
  find("#id_provider").value = back.dataset.service;
  find("#id_provider").focus();
});
document.addEventListener("click", ({ target }) => {
  const crop = target.closest(".crop");
  if (crop) cropped = crop.dataset.slot;
});
document.addEventListener("click", ({ target }) => {
  // Settings and files stay: only what it was made from is another question now.
  if (target.closest(".forget-earlier")) {
    target.closest(".earlier").remove();
    find("#id_prompt").focus();
  }
});
document.addEventListener("paste", (event) => {
  if (!form() || !event.clipboardData.files.length) return;
  event.preventDefault();
  take(event.clipboardData.files);
});
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!form() || !event.dataTransfer.types.includes("Files")) return;
    // A file that misses its place must not replace the page.
    event.preventDefault();
    for (const drop of findAll(".drop")) drop.classList.toggle("is-over", name === "dragover");
    if (name !== "drop") return;
    const slot = event.target.closest?.(".slot:not(.is-unwanted)");
    const fits = slot && [...event.dataTransfer.files].every((file) => kindOf(file) === slot.dataset.kind);
    if (fits && find(".drop", slot)) handInAll(slot, [...event.dataTransfer.files]);
    else take(event.dataTransfer.files);
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) for (const drop of findAll(".drop")) drop.classList.remove("is-over");
});

/* --- The library ---------------------------------------------------------------------------- */

const dialog = find("#library");

document.addEventListener("click", async ({ target }) => {
  const open = target.closest(".open-library");
  if (open) {
    const slot = open.closest(".slot");
    // Before anybody looks through them.
    if (takesMany(slot) && roomOf(slot) < 1) return complain(slot, NO_ROOM);
    const query = new URLSearchParams({ slot: slot.dataset.slot, provider: find("#settings").dataset.service });
    await window.htmx.ajax("GET", `${form().dataset.shelf}?${query}`, { target: "#library", swap: "innerHTML" });
    dialog.showModal();
    find("#library-title", dialog)?.focus();
  }
  if (target.closest("#library [data-close]")) dialog.close();
  const entry = target.closest("#library .shelf-entry");
  if (entry) await choose(entry);
  return undefined;
});

/** A file that has left the library stands in no place of the form any more. */
document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  const item = target.closest?.("#library li");
  if (!item || !detail.shouldSwap) return;
  const { entry } = find(".shelf-entry", item).dataset;
  const next = item.nextElementSibling ?? item.previousElementSibling;
  (find(".shelf-entry", next ?? item.parentElement.parentElement) ?? find("#library-title")).focus();
  const tiles = findAll(`#generate-form .tile[id$="-${entry}"]`);
  for (const tile of tiles) tile.remove();
  if (tiles.length) changed();
});

async function choose(entry) {
  const name = find(".shelf", dialog).dataset.slot;
  const query = new URLSearchParams({ slot: name, provider: find("#settings").dataset.service });
  const [answer, text] = await fetch(`${entry.dataset.url}?${query}`)
    .then(async (response) => [response, await response.text()])
    .catch(() => [null, ""]);
  dialog.close();
  const slot = document.getElementById(`slot-${name}`);
  const id = answer?.ok && tileIdIn(text);
  if (!id || !slot) return complain(slot, whyNot(answer, text));
  if (document.getElementById(id)) return undefined;
  if (takesMany(slot) && roomOf(slot) < 1) return complain(slot, NO_ROOM);
  const tiles = find(".tiles", slot);
  if (!takesMany(slot)) tiles.replaceChildren();
  tiles.insertAdjacentHTML("beforeend", text);
  complain(slot, "");
  return changed();
}

function whyNot(answer, text) {
  if (!answer) return UNREACHABLE;
  if (answer.ok) return OUT_OF_DATE;
  return answer.status === 422 ? text : "This file is no longer here.";
}

/* --- The settings follow -------------------------------------------------------------------- */

function follow() {
  const settings = find("#settings");
  const select = find("#id_provider");
  if (!settings || !select) return;
  // Whoever chooses another service has done with what was wrong here: its places are its own,
  // whatever they are called. Where a file has chosen it, another one may just have been refused.
  if (settings.dataset.service !== service && !isFollowing) complaints.clear();
  service = settings.dataset.service;
  if (select.value !== service) {
    const nameOf = () => select.selectedOptions[0]?.textContent.split(" · ")[0];
    const before = nameOf();
    select.value = service;
    // The same model for another purpose is called by that.
    const tab = find(`.purposes [data-purpose="${settings.dataset.purpose}"]`)?.textContent;
    const chosen = nameOf() === before && tab ? `“${tab}”` : nameOf();
    if (isFollowing) tell(`Switched to ${chosen}, which takes this file.`, "info");
  }
  for (const link of findAll(".purposes a")) {
    if (link.dataset.purpose === settings.dataset.purpose) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  narrow(select);
  for (const [id, text] of complaints) {
    const place = document.getElementById(id);
    if (place && text) complain(place, text);
  }
  for (const number of findAll(".is-number input[min][max]", settings)) addSlider(number);
  for (const rows of findAll(".rows", settings)) foldRows(rows);
  showWhatCounts();
  for (const part of findAll("[data-usual]", settings)) markUnusual(part);
}

/* --- What is not as usual -------------------------------------------------------------------- */

const controlsOf = (part) => findAll("input:not([type=range]), select, textarea", part);

function valueOf(part) {
  const [control] = controlsOf(part);
  if (control.type === "radio") return find(":checked", part)?.value ?? "";
  return control.type === "checkbox" ? (control.checked ? "on" : "") : control.value;
}

/** The value that stands there before anybody chooses: a list without one begins with its first. */
function usualOf(part) {
  const { usual } = part.dataset;
  const options = [...(find("select", part)?.options ?? [])];
  return options.length && !options.some(({ value }) => value === usual) ? options[0].value : usual;
}

function isUsual(part) {
  const [value, usual] = [valueOf(part), usualOf(part)];
  const isNumber = controlsOf(part)[0].type === "number" && value !== "" && usual !== "";
  return value === usual || (isNumber && Number(value) === Number(usual));
}

/** A dot at what somebody has chosen, and a button that takes it back. */
function markUnusual(part) {
  const isUnusual = !isUsual(part);
  const button = find(".reset", part);
  part.classList.toggle("is-unusual", isUnusual);
  if (!isUnusual) button?.remove();
  else if (!button) find("legend, label", part).after(resetButton(part));
}

function resetButton(part) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reset";
  const what = document.createElement("span");
  what.className = "visually-hidden";
  what.textContent = ` ${find("legend, label", part).textContent.trim()}`;
  button.append("Reset", what);
  return button;
}

function reset(part) {
  const usual = usualOf(part);
  const controls = controlsOf(part);
  let [control] = controls;
  if (control.type === "radio") {
    for (const radio of controls) radio.checked = radio.value === usual;
    control = controls.find(({ checked }) => checked) ?? control;
  } else if (control.type === "checkbox") control.checked = usual === "on";
  else control.value = usual;
  // The button goes: what it was about takes the focus.
  control.focus();
  for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
}

for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    const part = target.closest?.("#settings [data-usual]");
    if (part) markUnusual(part);
  });
}
document.addEventListener("click", ({ target }) => {
  const button = target.closest("#settings .reset");
  if (button) reset(button.closest("[data-usual]"));
});

/** What counts only while a switch is on shows only then. */
function showWhatCounts() {
  for (const part of findAll("#settings [data-when]:not([data-when=''])")) {
    const control = document.getElementById(`id_${part.dataset.when}`);
    part.hidden = control?.type === "checkbox" && !control.checked;
  }
}

/** With files in the form, services that do not take them cannot be chosen. */
function narrow(select) {
  const filled = new Map();
  for (const box of findAll(".tile [name^=kept_]")) {
    const name = box.name.slice("kept_".length);
    filled.set(name, (filled.get(name) ?? 0) + 1);
  }
  for (const option of select.options) {
    const room = new Map(option.dataset.takes.split(" ").map((slot) => slot.split(":")));
    const takesAll = [...filled].every(([name, count]) => count <= (room.get(name) ?? 0));
    option.disabled = !option.selected && !takesAll;
  }
}

function addSlider(number) {
  if (find("[type=range]", number.parentElement) || number.name === "seed") return;
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: number.min, max: number.max, step: number.step || 1 });
  slider.value = number.value || number.min;
  slider.setAttribute("aria-label", find("label", number.closest(".field")).textContent);
  slider.addEventListener("input", () => {
    number.value = slider.value;
  });
  number.addEventListener("input", () => {
    slider.value = number.value;
  });
  number.before(slider);
}

/** One empty row below those that are filled in; the others wait. */
function foldRows(fieldset) {
  let empty = 0;
  for (const row of findAll(".row", fieldset)) {
    const cells = findAll(".cell :is(input, textarea)", row);
    const isEmpty = cells.every((cell) => !cell.value) && !find(".tile", row);
    row.hidden = isEmpty && empty > 0;
    empty += isEmpty;
  }
}

document.addEventListener("input", ({ target }) => {
  const rows = target.closest?.(".rows");
  if (rows) foldRows(rows);
});
document.addEventListener("click", ({ target }) => {
  const number = target.closest(".dice") && find("input[type=number]", target.closest(".number"));
  if (!number) return;
  const low = Math.max(Number(number.min || 0), 0);
  const high = Number(number.max || 2147483647);
  number.value = low + Math.floor(Math.random() * (high - low + 1));
  number.dispatchEvent(new Event("change", { bubbles: true }));
});
// What was unfolded stays so.
let isMoreOpen = false;
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (target.id === "settings") isMoreOpen = Boolean(find("#more-settings")?.open);
});
document.addEventListener("htmx:afterSwap", ({ target }) => {
  const more = target.id === "settings" && find("#more-settings");
  if (more && isMoreOpen) more.open = true;
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "settings" || target.id === "generate-form") follow();
  if (target.id === "settings" && cropped) {
    find(`#slot-${cropped} .remove-input`)?.focus();
    cropped = "";
  }
  // What was wrong stands there again by now, and keeps what was waiting from being sent.
  if (target.id === "settings") followed();
});
if (form()) follow();
