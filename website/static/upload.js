/* Dropping a file, and how far an upload is; without it the form is sent as any other. */
"use strict";

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const chosen = document.getElementById("fasta");
const progress = document.getElementById("progress");
const bar = document.getElementById("bar");
const words = document.getElementById("progress-words");
const said = document.getElementById("said");
const problem = document.getElementById("error");

document.getElementById("drop-hint").hidden = false;
for (const event of ["dragenter", "dragover"])
  drop.addEventListener(event, dropped => { dropped.preventDefault(); drop.classList.add("over"); });
for (const event of ["dragleave", "drop"]) drop.addEventListener(event, () => drop.classList.remove("over"));
drop.addEventListener("drop", event => {
  event.preventDefault();
  if (event.dataTransfer.files.length) chosen.files = event.dataTransfer.files;
});

function show(text, percent) {
  words.textContent = text;
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
  document.title = percent === null ? `${text} – Upload` : `${Math.round(percent)}% – Upload`;
}

function fail(text) {
  progress.hidden = true;
  said.textContent = "";
  form.querySelector("input[type=submit]").disabled = false;
  problem.textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
  document.title = "Error: Upload";
}

form.addEventListener("submit", event => {
  event.preventDefault();
  const key = Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, "0")).join("");
  const request = new XMLHttpRequest();
  let asking;

  async function askHowFar() {
    try {
      const answer = await fetch(form.dataset.part + key, { headers: { Accept: "application/json" } });
      const state = await answer.json();
      if (state.records) show(`Storing: ${state.records.toLocaleString("en")} proteins read`, 50 + 50 * state.part);
    } catch { /* the answer to the upload itself shows what is wrong */ }
    asking = setTimeout(askHowFar, 500);
  }

  request.upload.addEventListener("progress", ({ loaded, total }) => {
    const megabytes = bytes => (bytes / 1e6).toFixed(1);
    show(`Sending: ${megabytes(loaded)} of ${megabytes(total)} MB`, 50 * loaded / total);
  });
  request.upload.addEventListener("load", () => {
    show("Storing", 50);
    said.textContent = "Everything is sent. The proteins are being stored.";
    askHowFar();
  });
  request.addEventListener("loadend", () => clearTimeout(asking));
  request.addEventListener("load", () => {
    if (request.status === 200) {
      location.assign(request.responseURL);
      return;
    }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    fail(page.querySelector(".error")?.textContent || `The upload failed (${request.status}).`);
  });
  request.addEventListener("error", () => fail("The connection broke. Nothing was stored; try again."));
  request.open("POST", `${form.action}?progress=${key}`);
  request.send(new FormData(form));
  problem.hidden = true;
  progress.hidden = false;
  form.querySelector("input[type=submit]").disabled = true;
  said.textContent = "Sending.";
  show("Sending", 0);
});

addEventListener("pageshow", () => { form.querySelector("input[type=submit]").disabled = false; progress.hidden = true; });
