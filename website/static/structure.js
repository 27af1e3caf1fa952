/* The structure of a template, with the aligned residues coloured by how well they match. The viewer and the
   coordinates are fetched when the reader asks for them. */
"use strict";

/* HH-suite's marks, best first, the colour of each in protein.css, and what it means. */
const MARKS = [["|", "p1", "very good"], ["+", "p2", "good"], [".", "p3", "neutral"], ["-", "p4", "bad"], ["=", "p5", "very bad"]];
const UNALIGNED = "#dfe3e7";
const TURN_DEGREES = 15, ZOOM = 1.25;

let viewerLoaded = null;

function loadViewer(address) {
  viewerLoaded ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address, onload: resolve, onerror: reject });
    document.head.append(script);
  });
  return viewerLoaded;
}

async function coordinates(places) {
  for (const place of places) {
    try {
      const answer = await fetch(place, { credentials: "same-origin" });
      if (answer.ok) return await answer.text();
    } catch {
      // the next place may have it
    }
  }
  return null;
}

/* The atoms of a chain in mmCIF as PDB text, residues numbered as in the sequence of the template: 3Dmol numbers
   them as the authors of the structure did. Of disordered atoms the first position, of several models the first. */
function chainAsPdb(cif, chain) {
  const lines = cif.split("\n"), start = lines.findIndex(line => line.startsWith("_atom_site."));
  const columns = {};
  let row = start;
  for (; lines[row]?.startsWith("_atom_site."); row++) columns[lines[row].trim().slice("_atom_site.".length)] = row - start;
  const found = [], seen = new Set();
  let model = null;
  for (; row < lines.length && /^(ATOM|HETATM)/.test(lines[row]); row++) {
    const values = lines[row].match(/'[^']*'(?=\s|$)|"[^"]*"(?=\s|$)|\S+/g).map(text => text.replace(/^(['"])(.*)\1$/, "$2"));
    const of = name => values[columns[name]];
    model ??= of("pdbx_PDB_model_num");
    const key = `${of("label_seq_id")} ${of("label_atom_id")}`;
    if (of("auth_asym_id") !== chain || of("label_seq_id") === "." || of("pdbx_PDB_model_num") !== model || seen.has(key)) continue;
    seen.add(key);
    const atom = of("label_atom_id"), name = atom.length < 4 ? ` ${atom}` : atom;
    const place = ["Cartn_x", "Cartn_y", "Cartn_z"].map(axis => Number(of(axis)).toFixed(3).padStart(8)).join("");
    found.push(`ATOM  ${String(found.length % 99999 + 1).padStart(5)} ${name.padEnd(4)} ${of("label_comp_id").slice(0, 3).padStart(3)} A`
      + `${of("label_seq_id").padStart(4)}    ${place}  1.00  0.00          ${of("type_symbol").padStart(2)}`);
  }
  return found.join("\n");
}

function show(place, pdb) {
  const { name, quality, first } = place.dataset, styles = getComputedStyle(document.documentElement);
  const colours = Object.fromEntries(MARKS.map(([mark, variable]) => [mark, styles.getPropertyValue(`--${variable}`).trim()]));
  const colour = atom => colours[quality[atom.resi - Number(first)]] ?? UNALIGNED;
  const box = document.createElement("div"), buttons = document.createElement("p"), legend = document.createElement("ul");
  box.className = "viewer";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", `Structure of ${name}. Arrow keys turn it, plus and minus zoom, R resets the view.`);
  legend.className = "legend";
  legend.setAttribute("aria-label", "Colours: match of the aligned residues");
  legend.innerHTML = MARKS.map(([mark, variable, words]) =>
    `<li><svg class="dot" aria-hidden="true"><rect class="${variable}"/></svg> ${mark} ${words}</li>`).join("")
    + "<li>pale: not aligned</li><li>Arrow keys turn, + and − zoom, R resets.</li>";
  place.replaceChildren(legend, box, buttons);
  const viewer = window.$3Dmol.createViewer(box, { backgroundColor: "white", backgroundAlpha: 0 });
  viewer.addModel(pdb, "pdb");
  viewer.setStyle({}, { cartoon: { colorfunc: colour } });
  const reset = () => { viewer.zoomTo(); viewer.render(); };
  reset();
  const turn = (angle, axis) => { viewer.rotate(angle, axis); viewer.render(); };
  const keys = {
    ArrowLeft: () => turn(-TURN_DEGREES, "y"), ArrowRight: () => turn(TURN_DEGREES, "y"),
    ArrowUp: () => turn(-TURN_DEGREES, "x"), ArrowDown: () => turn(TURN_DEGREES, "x"),
    "+": () => viewer.zoom(ZOOM), "-": () => viewer.zoom(1 / ZOOM), r: reset, R: reset,
  };
  box.addEventListener("keydown", event => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  const save = () => Object.assign(document.createElement("a"), { href: viewer.pngURI(), download: `${name}.png` }).click();
  for (const [words, act] of [["Reset view", reset], ["Save picture", save]]) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "act plain", textContent: words });
    button.addEventListener("click", act);
    buttons.append(button, " ");
  }
  box.focus();
}

document.querySelector("main").addEventListener("click", async event => {
  const button = event.target.closest(".in-3d .show");
  if (!button) return;
  const place = button.parentElement, { chain, name, viewer } = place.dataset;
  const say = text => place.replaceChildren(Object.assign(document.createElement("p"), { textContent: text, role: "status" }));
  button.disabled = true;
  try {
    const cif = await coordinates(place.dataset.places.split(" ").filter(Boolean));
    const pdb = cif && chainAsPdb(cif, chain);
    if (!pdb) return say(cif ? `The file has no chain ${chain}.` : `The coordinates of ${name} are not available.`);
    await loadViewer(viewer);
    show(place, pdb);
  } catch {
    say("The structure cannot be shown: this browser does not support WebGL, or the viewer did not load.");
  }
});
