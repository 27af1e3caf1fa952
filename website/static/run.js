/* Refreshes the numbers of a run's page while the run goes on; without it the page has a link that reloads it. */
"use strict";

const SECONDS = 5, SECONDS_AT_MOST = 60, SECONDS_OF_LIST = 15;
const page = document.querySelector("[data-progress]");
const message = document.getElementById("live");
const bar = page.querySelector("[role=progressbar]");
const list = document.getElementById("listed");
const listedAtFirst = Number(bar.getAttribute("aria-valuenow"));
let wait = SECONDS, listed = "", listedAt = 0;

function show(told) {
  for (const [part, count] of Object.entries(told.counts)) {
    for (const place of page.querySelectorAll(`[data-count="${part}"]`)) place.textContent = count.toLocaleString("en");
    for (const place of page.querySelectorAll(`[data-part="${part}"]`)) place.style.flexGrow = count;
  }
  for (const place of page.querySelectorAll("[data-live]"))
    if (told[place.dataset.live] !== "") place.textContent = told[place.dataset.live];
  bar.setAttribute("aria-valuemax", told.total);
  bar.setAttribute("aria-valuenow", told.finished);
  bar.setAttribute("aria-valuetext", `${told.finished} of ${told.total} finished`);
  page.querySelector("h1 .state").replaceWith(Object.assign(document.createElement("span"),
    { className: `state ${told.kind}`, textContent: told.state }));
  for (const place of page.querySelectorAll("[data-while]")) place.hidden = place.dataset.while !== told.status;
  document.title = `${told.percent} % · ${document.title.replace(/^\d+ % · /, "")}`;
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
    message.append(" ", link, " for its plots.");
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

/* Whether the reader has something of the page in hand: it must not go from under it. */
function isInUse() {
  return page.contains(document.activeElement) || String(getSelection()) || page.querySelector("details[open]");
}

/* The page as it is when a run has ended, with its plots, downloads and what can be done now; whether it is shown. */
async function showEnded() {
  page.querySelector('form[action$="/stop"]')?.remove();
  if (isInUse()) return false;
  const answer = await fetch(location.href);
  if (!answer.ok) return false;
  const ended = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (!ended || ended.dataset.progress || isInUse()) return false;
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
      const more = told.finished > listedAtFirst;
      say(more ? "More proteins are finished than the plots show." : "The numbers refresh by themselves.", more);
    } catch {
      wait = Math.min(2 * wait, SECONDS_AT_MOST);
      say("The site does not answer: the numbers stand still. Trying again.", false);
    }
  }
  setTimeout(refresh, 1000 * wait);
}

offerNotice();
setTimeout(refresh, 1000);
