/* The page of a protein: bars and rows mark each other, alignments open in place, filters apply at once, and a region
   is selected by dragging along the strip. Without it every one of these is a link or a form. */
"use strict";

const hits = document.getElementById("hits");
const DRAG_PIXELS = 4;

/* --- Marks --- */

function mark(rank) {
  for (const marked of document.querySelectorAll("main .marked")) marked.classList.remove("marked");
  if (rank) for (const shown of document.querySelectorAll(`main [data-rank="${rank}"]`)) shown.classList.add("marked");
}

for (const event of ["pointerover", "focusin"]) {
  document.querySelector("main").addEventListener(event, ({ target }) => mark(target.closest("[data-rank]")?.dataset.rank));
}

/* --- Parts of the page that the server makes --- */

async function part(address, name) {
  const url = new URL(address, location);
  url.searchParams.set("part", name);
  url.hash = "";
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}

async function toggleAlignment(link) {
  const row = document.getElementById(`hit-${new URL(link.href).searchParams.get("hit")}`);
  if (row.nextElementSibling?.classList.contains("alignment")) {
    row.nextElementSibling.remove();
  } else {
    const body = document.createElement("tbody");
    body.innerHTML = await part(link.href, "alignment");
    row.after(...body.children);
    history.replaceState(null, "", link.href);
  }
}

async function list(address) {
  const focused = document.activeElement?.name;
  hits.querySelector(".listed").innerHTML = await part(address, "hits");
  history.replaceState(null, "", address);
  makeDraggable();
  hits.querySelector(`[name="${focused}"]`)?.focus();
}

/* A reader who wants another tab or window gets it. */
const isPlain = event => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

document.querySelector("main").addEventListener("click", async event => {
  const link = event.target.closest("a[href]");
  if (!link || !hits || !isPlain(event) || event.defaultPrevented) return;
  const address = link.href.baseVal ?? link.href, url = new URL(address, location);
  if (url.pathname !== location.pathname) return;
  const rank = url.searchParams.get("hit");
  try {
    if (rank && document.getElementById(`hit-${rank}`)) {
      event.preventDefault();
      const row = document.getElementById(`hit-${rank}`), isBar = !row.contains(link);
      const isOpen = row.nextElementSibling?.classList.contains("alignment");
      if (!isBar || !isOpen) await toggleAlignment(row.querySelector(".rank a") ?? link);
      if (isBar) row.scrollIntoView();
    } else if (!rank && link.closest(".listed")) {
      event.preventDefault();
      await list(address);
    }
  } catch {
    location.assign(address);
  }
});

function listByForm(form) {
  const url = new URL(form.action);
  url.search = "";
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
  return list(url.href).catch(() => location.assign(url));
}

hits?.addEventListener("change", event => {
  if (event.target.form?.matches("form.hits")) listByForm(event.target.form);
});
hits?.addEventListener("submit", event => {
  event.preventDefault();
  listByForm(event.target);
});

/* --- Dragging along the strip --- */

function select(strip, event) {
  const box = strip.getBoundingClientRect(), form = hits.querySelector("form.hits");
  const length = Number(form.elements.to.max), start = event.clientX;
  const residue = x => Math.min(length, Math.max(1, Math.ceil(length * (x - box.left) / box.width)));
  let region = null;
  const move = ({ clientX }) => {
    if (!region && Math.abs(clientX - start) < DRAG_PIXELS) return;
    strip.querySelector(".region")?.remove();
    region = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const left = Math.max(0, Math.min(start, clientX) - box.left), right = Math.min(box.width, Math.max(start, clientX) - box.left);
    for (const [name, value] of Object.entries({ class: "region", x: left, y: 0, width: right - left, height: box.height })) {
      region.setAttribute(name, value);
    }
    strip.append(region);
  };
  const end = ({ clientX }) => {
    removeEventListener("pointermove", move);
    if (!region) return;
    // the click that ends it is no click on a bar
    const swallow = click => { click.preventDefault(); click.stopPropagation(); };
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    const ends = [residue(start), residue(clientX)].sort((a, b) => a - b);
    [form.elements.from.value, form.elements.to.value] = ends;
    hits.querySelector("details")?.setAttribute("open", "");
    listByForm(form);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end, { once: true });
}

function makeDraggable() {
  if (!hits) return;
  for (const strip of document.querySelectorAll("svg.along")) strip.classList.add("draggable");
  for (const hint of hits.querySelectorAll(".drag")) hint.hidden = false;
}

makeDraggable();
document.querySelector("main").addEventListener("pointerdown", event => {
  const strip = event.target.closest("svg.along.draggable");
  // on phones a drag scrolls the page
  if (strip && isPlain(event) && event.pointerType !== "touch") select(strip, event);
});
document.querySelector("main").addEventListener("dragstart", event => {
  if (event.target.closest("svg.along")) event.preventDefault();
});
