/* Refreshes the numbers of a run's page while the run goes on; without it the page has a link that reloads it. */
"use strict";

const SECONDS = 5, SECONDS_AT_MOST = 60;
const page = document.querySelector("[data-progress]");
const message = document.getElementById("live");
const bar = page.querySelector("[role=progressbar]");
const listed = Number(bar.getAttribute("aria-valuenow"));
let wait = SECONDS;

function show(told) {
  for (const [part, count] of Object.entries(told.counts)) {
    for (const place of page.querySelectorAll(`[data-count="${part}"]`)) place.textContent = count.toLocaleString("en");
    for (const place of page.querySelectorAll(`[data-part="${part}"]`)) place.style.flexGrow = count;
  }
  for (const place of page.querySelectorAll("[data-live]")) place.textContent = told[place.dataset.live];
  bar.setAttribute("aria-valuemax", told.total);
  bar.setAttribute("aria-valuenow", told.finished);
  bar.setAttribute("aria-valuetext", `${told.finished} of ${told.total} finished`);
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
    message.append(" ", link, " for its proteins and plots.");
  }
}

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch(page.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      wait = SECONDS;
      show(told);
      if (!["QUEUED", "RUNNING"].includes(told.status)) {
        page.querySelector("h1 .state").replaceWith(Object.assign(document.createElement("span"),
          { className: "state quiet", textContent: told.state }));
        say(`The run has ended: ${told.state}.`, true);
        return;
      }
      const more = told.finished > listed;
      say(more ? "More proteins are finished than this page lists." : "The numbers refresh by themselves.", more);
    } catch {
      wait = Math.min(2 * wait, SECONDS_AT_MOST);
      say("The site does not answer: the numbers stand still. Trying again.", false);
    }
  }
  setTimeout(refresh, 1000 * wait);
}

setTimeout(refresh, 1000);
