/* Refreshes the numbers of a run's page while the run is running; without it the page has a link that reloads it. */
"use strict";

const SECONDS = 5, SECONDS_AT_MOST = 60, SECONDS_OF_LIST = 15, SECONDS_OF_PLOTS = 30;
const page = document.querySelector("[data-progress]");
const message = document.getElementById("live");
const bar = page.querySelector("[role=progressbar]");
const list = document.getElementById("listed");
let wait = SECONDS, listed = "", listedAt = 0, drawn = bar.getAttribute("aria-valuenow"), drawnAt = 0;

function show(progress) {
  let start = 0;
  for (const [part, count] of Object.entries(progress.counts)) {
    const width = progress.total ? 100 * count / progress.total : 0;
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
    if (progress[place.dataset.live] !== "") place.textContent = progress[place.dataset.live];
  bar.setAttribute("aria-valuemax", progress.total);
  bar.setAttribute("aria-valuenow", progress.finished);
  bar.setAttribute("aria-valuetext", `${progress.finished} of ${progress.total} finished`);
  page.querySelector("h1 .state").replaceWith(Object.assign(document.createElement("span"),
    { className: `state ${progress.kind}`, textContent: progress.state }));
  for (const place of page.querySelectorAll("[data-while]")) place.hidden = place.dataset.while !== progress.status;
  document.title = `${progress.percent}% · ${document.title.replace(/^\d+% · /, "")}`;
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

/* The list again when it has changed, but never under the reader's hands. */
async function refreshList(progress) {
  const state = JSON.stringify(progress.counts);
  if (!listed && list.querySelector("table")) [listed, listedAt] = [state, Date.now()];
  if (state === listed || Date.now() - listedAt < 1000 * SECONDS_OF_LIST) return;
  if (list.contains(document.activeElement) || String(getSelection())) return;
  const answer = await fetch(list.dataset.listed);
  if (!answer.ok) return;
  list.innerHTML = await answer.text();
  // a run that begins has no proteins to list yet
  [listed, listedAt] = [state, list.querySelector("table") ? Date.now() : 0];
}

/* The timeline again, and plots, templates and failures when more proteins are finished: the first ones at once. */
async function refreshPlots(progress) {
  const isFirst = drawn === "0" && progress.finished > 0;
  if (!isFirst && Date.now() - drawnAt < 1000 * SECONDS_OF_PLOTS) return;
  const more = String(progress.finished) === drawn ? [] : ["residues", "proteome", "failures", "plots"];
  [drawn, drawnAt] = [String(progress.finished), Date.now()];
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
  // a reader at the list stays there
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

function notify(progress) {
  if ("Notification" in window && Notification.permission === "granted")
    new Notification(document.title.replace(/^.*· /, ""), { body: `${progress.state}: ${progress.finished} of ${progress.total}` });
}

async function refresh() {
  if (!document.hidden || "Notification" in window && Notification.permission === "granted") {
    try {
      const answer = await fetch(page.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const progress = await answer.json();
      wait = SECONDS;
      show(progress);
      if (!["QUEUED", "RUNNING"].includes(progress.status)) {
        document.title = `${progress.state} · ${document.title.replace(/^.*· /, "")}`;
        notify(progress);
        listedAt = 0;
        const shown = await showEnded().catch(() => false);
        say(`The run has ended: ${progress.state}.`, !shown);
        if (!shown) await refreshList(progress);
        return;
      }
      await refreshList(progress);
      await refreshPlots(progress);
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
