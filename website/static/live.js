/* Parts of a page that change while it is looked at: an element with an id and data-refresh="SECONDS" is fetched again
   with its page, as long as the new one has data-refresh, too. */
"use strict";

/* Whether the reader has something of a part in hand: it must not go from under it. */
function isInUse(part) {
  const selected = getSelection();
  return part.contains(document.activeElement) || part.querySelector("details[open]:not([data-open])")
    || !selected.isCollapsed && part.contains(selected.anchorNode);
}

/* Replaces parts, by their ids, by what the server has of them now. */
async function refreshParts(ids) {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const part = document.getElementById(id), fresh = page.getElementById(id);
    if (!part || !fresh || isInUse(part)) continue;
    const root = document.documentElement, atEnd = innerHeight + scrollY >= root.scrollHeight - 20;
    part.replaceWith(fresh);
    // a reader at the end of a log stays there
    if (atEnd && fresh.dataset.end !== undefined) scrollTo(0, root.scrollHeight);
  }
}

async function refreshAll() {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  if (!parts.length) return;
  if (!document.hidden) await refreshParts(parts.map(part => part.id)).catch(() => {});
  setTimeout(refreshAll, 1000 * parts[0].dataset.refresh);
}

const first = document.querySelector("[data-refresh]");
if (first) setTimeout(refreshAll, 1000 * first.dataset.refresh);
