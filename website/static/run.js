/* Refreshes the numbers of a run's page while the run goes on; without it the page has a link that reloads it. */
"use strict";

const SECONDS = 5, SECONDS_AT_MOST = 60, SECONDS_OF_LIST = 15, SECONDS_OF_PLOTS = 30;
const page = document.querySelector("[data-progress]");
const message = document.getElementById("live");
const bar = page.querySelector("[role=progressbar]");
const list = document.getElementById("listed");
let wait = SECONDS, listed = "", listedAt = 0, drawn = bar.getAttribute("aria-valuenow"), drawnAt = 0;

function show(told) {
  let start = 0;
  for (const [part, count] of Object.entries(told.counts)) {
    const width = told.total ? 100 * count / told.total : 0;
    for (const place of page.querySelectorAll(`[data-count="${part}"]`)) place.textContent = count.toLocaleString("en");
    for (const place of page.querySelectorAll(`[data-percent="${part}"]`))
      place.textContent = count && width < 1 ? "below 1%" : `${Math.floor(width)}%`;
    for (const place of bar.querySelectorAll(`[data-part="${part}"]`)) {
      place.setAttribute("x", `${start}%`);
      place.setAttribute("width", `${width.toFixed(3)}%`);
    }
    start += width;
  }
  for (const place of page.querySelectorAll("[data-live]"))
    if (told[place.dataset.live] !== "") place.textContent = told[place.dataset.live];
  bar.setAttribute("aria-valuemax", told.total);
  bar.setAttribute("aria-valuenow", told.finished);
  bar.setAttribute("aria-valuetext", `${told.finished} of ${told.total} finished`);
  page.querySelector("h1 .state").replaceWith(Object.assign(document.createElement("span"),
    { className: `state ${told.kind}`, textContent: told.state }));
  for (const place of page.querySelectorAll("[data-while]")) place.hidden = place.dataset.while !== told.status;
  document.title = `${told.percent}% · ${document.title.replace(/^\d+% · /, "")}`;
}

/* The words above the bar; what they say is read out by screen readers, so they change only when there is news. */
function say(text, reload) {
  if (message.dataset.said === text) return;
  message.dataset.said = text;
  message.replaceChildren(text);
  if (reload) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Reload";
    link.addEventListener("click", event => { event.preventDefault(); location.reload(); });
    message.append(" ", link, " to see its results.");
  }
}

/* The list anew when it has changed, but never under the reader's hands. */
async function refreshList(told) {
  const state = JSON.stringify(told.counts);
  if (!listed && list.querySelector("table")) [listed, listedAt] = [state, Date.now()];
  if (state === listed || Date.now() - listedAt < 1000 * SECONDS_OF_LIST) return;
  if (list.contains(document.activeElement) || String(getSelection())) return;
  const answer = await fetch(list.dataset.listed);
  if (!answer.ok) return;
  list.innerHTML = await answer.text();
  // a run that begins has no proteins to list yet
  [listed, listedAt] = [state, list.querySelector("table") ? Date.now() : 0];
}

/* The timeline anew, and plots, templates and failures when more proteins are finished. */
async function refreshPlots(told) {
  if (Date.now() - drawnAt < 1000 * SECONDS_OF_PLOTS) return;
  const more = String(told.finished) === drawn ? [] : ["residues", "proteome", "failures", "plots"];
  [drawn, drawnAt] = [String(told.finished), Date.now()];
  await refreshParts(["timeline", ...more]);
}

/* The page as it is when a run has ended, with its plots, downloads and what can be done now; whether it is shown. */
async function showEnded() {
  page.querySelector('form[action$="/stop"]')?.remove();
  if (isInUse(page)) return false;
  const answer = await fetch(location.href);
  if (!answer.ok) return false;
  const ended = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (!ended || ended.dataset.progress || isInUse(page)) return false;
  const top = list.getBoundingClientRect().top;
  for (const part of [...page.childNodes]) if (part !== message) part.remove();
  message.before(ended.querySelector("h1"));
  message.after(...ended.childNodes);
  // who looked at the list goes on looking at it
  if (top < 0) scrollBy(0, document.getElementById("listed").getBoundingClientRect().top - top);
  return true;
}

/* Asked for once; a browser shows notices only to who said yes to them. */
function offerNotice() {
  if (!("Notification" in window) || Notification.permission !== "default" || !isSecureContext) return;
  const button = Object.assign(document.createElement("button"),
    { type: "button", className: "act plain", textContent: "Notify me when it ends" });
  button.addEventListener("click", async () => { await Notification.requestPermission(); button.remove(); });
  document.querySelector(".actions")?.append(button);
}

function notify(told) {
  if ("Notification" in window && Notification.permission === "granted")
    new Notification(document.title.replace(/^.*· /, ""), { body: `${told.state}: ${told.finished} of ${told.total}` });
}

async function refresh() {
  if (!document.hidden || "Notification" in window && Notification.permission === "granted") {
    try {
      const answer = await fetch(page.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      wait = SECONDS;
      show(told);
      if (!["QUEUED", "RUNNING"].includes(told.status)) {
        document.title = `${told.state} · ${document.title.replace(/^.*· /, "")}`;
        notify(told);
        listedAt = 0;
        const shown = await showEnded().catch(() => false);
        say(`The run has ended: ${told.state}.`, !shown);
        if (!shown) await refreshList(told);
        return;
      }
      await refreshList(told);
      await refreshPlots(told);
      say("The page refreshes by itself.", false);
    } catch {
      wait = Math.min(2 * wait, SECONDS_AT_MOST);
      say("The site does not answer. Trying again.", false);
    }
  }
  setTimeout(refresh, 1000 * wait);
}

offerNotice();
setTimeout(refresh, 1000);
