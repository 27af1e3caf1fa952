/* On every page: refreshes the health of the services while the page is looked at, and sends each form once. */
"use strict";

const HEALTH_SECONDS = 15;

async function refreshHealth() {
  const list = document.querySelector("[data-health]");
  if (!list) return;
  if (!document.hidden) {
    const line = (state, words) => Object.assign(document.createElement("li"), { className: state, textContent: words });
    let state = "bad";
    try {
      const answer = await fetch(list.dataset.health, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const { services, workers, ...all } = await answer.json();
      list.replaceChildren(...services.map(({ name, state, words }) => line(state, `${name}: ${words}`)),
        line(workers.state, `${workers.live} live worker${workers.live === 1 ? "" : "s"}: ${workers.words}`));
      state = all.state;
    } catch {
      list.replaceChildren(line(state, "the site does not answer"));
    }
    const dot = list.closest("details").querySelector("summary");
    dot.className = state;
    dot.firstElementChild.textContent = dot.dataset[state];
  }
  setTimeout(refreshHealth, 1000 * HEALTH_SECONDS);
}

setTimeout(refreshHealth, 1000 * HEALTH_SECONDS);

/* What the header opens is closed by a click elsewhere, or by Escape. */
function closeMenus(keep) {
  for (const menu of document.querySelectorAll("details.health[open]")) if (!menu.contains(keep)) menu.open = false;
}

addEventListener("click", event => closeMenus(event.target));
addEventListener("keydown", event => { if (event.key === "Escape") closeMenus(null); });

/* Who clicks twice orders once: the answer to the second click would be that the name is taken. */
const DOUBLE_CLICK_MS = 1000;
const sentAt = new WeakMap();

addEventListener("submit", event => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  if (event.timeStamp - sentAt.get(event.target) < DOUBLE_CLICK_MS) event.preventDefault();
  else sentAt.set(event.target, event.timeStamp);
});

/* Datasette's button for columns, whose inline script no policy allows. */
document.querySelector(".choose-columns-mobile")?.addEventListener("click", () => openColumnChooser());

/* Buttons that copy the text of a field; shown where the browser allows it. */
for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy), name = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = name; }, 2000);
  });
}
