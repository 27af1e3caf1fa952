/* A list of ids that is dropped or chosen is read into the box, where it can be looked at; without it, it is sent. */
"use strict";

const drop = document.getElementById("drop");
const box = document.getElementById("ids");
const chosen = document.getElementById("list");
const LARGEST = 16e6;

async function take(file) {
  if (!file || file.size > LARGEST) return;
  box.value = await file.text();
  chosen.value = "";
  box.focus();
}

document.getElementById("drop-hint").hidden = false;
chosen.addEventListener("change", () => take(chosen.files[0]));
for (const event of ["dragenter", "dragover"])
  drop.addEventListener(event, dropped => {
    if (!dropped.dataTransfer.types.includes("Files")) return;
    dropped.preventDefault();
    drop.classList.add("over");
  });
for (const event of ["dragleave", "drop"]) drop.addEventListener(event, () => drop.classList.remove("over"));
drop.addEventListener("drop", event => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
