// Comparing services: the list opens above the form, is filtered as one types, and sets the
// form's own select. Without this file it is a page of links.

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const dialog = find("#services");

/* --- What is shown -------------------------------------------------------------------------- */

/** The list for one purpose, as far as it has all words that are typed. */
function show(picker, purpose) {
  picker.dataset.current = purpose;
  const words = find("#picker-filter", picker).value.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = new Map();
  for (const section of findAll("section", picker)) {
    counts.set(section.dataset.purpose, narrow(section, words));
    // Of what has nothing to show the heading would say nothing either.
    section.hidden = section.dataset.purpose !== purpose || !counts.get(purpose);
  }
  for (const tab of findAll(".purposes a", picker)) {
    const count = counts.get(tab.dataset.purpose);
    find(".picker-count", tab).textContent = count;
    tab.classList.toggle("is-empty", !count);
    if (tab.dataset.purpose === purpose) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
  const elsewhere = findAll(".purposes a", picker).filter((tab) => counts.get(tab.dataset.purpose));
  find(".picker-none", picker).textContent = counts.get(purpose) ? "" : sentenceFor(elsewhere);
}

/** Only what has all these words. Returns how many that are. */
function narrow(section, words) {
  let count = 0;
  for (const group of findAll(".picker-group", section)) {
    let here = 0;
    for (const item of findAll("li", group)) {
      const text = `${item.textContent} ${item.dataset.words}`.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      here += !item.hidden;
    }
    group.hidden = !here;
    count += here;
  }
  return count;
}

function sentenceFor(elsewhere) {
  if (!elsewhere.length) return "No service has all these words.";
  const names = elsewhere.map((tab) => tab.firstChild.textContent.trim());
  return `Nothing here has all these words. Look under ${names.join(", ")}.`;
}

const rowsOf = (picker) =>
  findAll(".service[href]", picker).filter((row) => !row.closest("[hidden]"));

/* --- Choosing ------------------------------------------------------------------------------- */

function choose(event, row) {
  const select = find("#id_provider");
  const option = select && [...select.options].find(({ value }) => value === row.dataset.provider);
  // On a page of its own, or for a service that this form does not have, the link leads there.
  if (!dialog?.contains(row) || !option) return;
  event.preventDefault();
  dialog.close();
  select.focus();
  if (select.value === option.value) return;
  select.value = option.value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

// Beside the list a click closes it; a text that is selected out of the filter does not.
let pressed = null;
document.addEventListener("pointerdown", ({ target }) => {
  pressed = target;
});

document.addEventListener("click", (event) => {
  const { target } = event;
  const isBeside = dialog && target === dialog && pressed === dialog;
  if (isBeside || target.closest("#services [data-close]")) dialog.close();
  const picker = target.closest(".picker");
  if (!picker || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const tab = target.closest(".purposes a");
  if (tab) {
    event.preventDefault();
    show(picker, tab.dataset.purpose);
    find(".picker-list", picker).scrollTop = 0;
  }
  const row = target.closest(".service[href]");
  if (row) choose(event, row);
});

document.addEventListener("input", ({ target }) => {
  if (target.id !== "picker-filter") return;
  const picker = target.closest(".picker");
  show(picker, picker.dataset.current);
});

/* --- Keys ----------------------------------------------------------------------------------- */

document.addEventListener("keydown", (event) => {
  const picker = event.target.closest?.(".picker");
  if (!picker || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const filter = find("#picker-filter", picker);
  const rows = rowsOf(picker);
  const place = rows.indexOf(event.target.closest(".service"));
  const isFiltering = event.target === filter;
  if (event.key === "Enter" && isFiltering) {
    event.preventDefault();
    rows[0]?.click();
    return;
  }
  const next = nextPlace(event.key, place, rows.length, isFiltering);
  if (next !== null) {
    event.preventDefault();
    (rows[next] ?? filter).focus();
  } else if (event.key.length === 1 && event.key !== " " && place >= 0) {
    // Whoever types on goes on filtering: the letter arrives there.
    filter.focus();
  }
});

/** Where a key leads from that row; -1 is the filter, null nowhere. */
function nextPlace(key, place, count, isFiltering) {
  if (place < 0 && !isFiltering) return null;
  if (key === "ArrowDown") return Math.min(place + 1, count - 1);
  if (key === "ArrowUp") return isFiltering ? null : place - 1;
  if (isFiltering) return null;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
}

/* --- Opening -------------------------------------------------------------------------------- */

function prepare(picker) {
  show(picker, picker.dataset.current);
  find(".service[aria-current]", find("section:not([hidden])", picker) ?? picker)?.scrollIntoView({
    block: "center",
  });
}

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== dialog) return;
  dialog.showModal();
  prepare(find(".picker", dialog));
  // A phone's keyboard would cover what is to be compared.
  const isTyping = matchMedia("(pointer: fine)").matches;
  find(isTyping ? "#picker-filter" : "#services-title", dialog).focus({ preventScroll: true });
});
const page = find(".picker-page .picker");
if (page) prepare(page);
