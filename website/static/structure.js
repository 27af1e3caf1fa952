/* The structure of a template, and over it the model of the protein, coloured by the confidence of the alignment; without
   a model the aligned residues of the template, by how well they match. The viewer and the coordinates are fetched when
   the reader asks for them. */
"use strict";

/* HH-suite's marks, best first, the colour of each in protein.css, and what it means. */
const MARKS = [["|", "p1", "very good"], ["+", "p2", "good"], [".", "p3", "neutral"], ["-", "p4", "bad"], ["=", "p5", "very bad"]];
/* Confidence of a residue of a model, of 100: the least of each step, its colour, and what it is called. */
const CONFIDENCES = [[80, "p1", "80 to 100"], [60, "p2", "60 to 80"], [40, "p3", "40 to 60"], [20, "p4", "20 to 40"], [0, "p5", "below 20"]];
const UNALIGNED = "#dfe3e7", ALIGNED = "#8b949e";
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

const colourOf = variable => getComputedStyle(document.documentElement).getPropertyValue(`--${variable}`).trim();
const dot = (variable, words) => `<li><svg class="dot" aria-hidden="true"><rect class="${variable}"/></svg> ${words}</li>`;

/* The template alone: its aligned residues in the colours of their marks. */
function drawTemplate(viewer, pdb, { quality, first }) {
  const colours = Object.fromEntries(MARKS.map(([mark, variable]) => [mark, colourOf(variable)]));
  const colour = atom => colours[quality[atom.resi - Number(first)]] ?? UNALIGNED;
  viewer.addModel(pdb, "pdb").setStyle({}, { cartoon: { colorfunc: colour } });
  const legend = MARKS.map(([mark, variable, words]) => dot(variable, `${mark} ${words}`)).join("");
  return { legend: `${legend}<li>pale: not aligned</li>`, shown: {}, draw() {} };
}

/* The model as a ribbon, and the template as a tube within it, which continues where the protein has no residues. */
function drawModel(viewer, pdb, modelPdb) {
  const colours = CONFIDENCES.map(([least, variable]) => [least, colourOf(variable)]);
  const colorfunc = atom => colours.find(([least]) => atom.b >= least)[1];
  const template = viewer.addModel(pdb, "pdb"), model = viewer.addModel(modelPdb, "pdb");
  const place = ({ x, y, z }) => `${x} ${y} ${z}`, copied = new Set(model.selectedAtoms({ atom: "CA" }).map(place));
  const aligned = new Set(template.selectedAtoms({ atom: "CA" }).filter(atom => copied.has(place(atom))).map(atom => atom.resi));
  const tube = { style: "trace", thickness: 0.3, colorfunc: atom => aligned.has(atom.resi) ? ALIGNED : UNALIGNED };
  const shown = { Model: true, "Side chains": false, Template: true };
  const draw = () => {
    model.setStyle({}, shown.Model ? { cartoon: { colorfunc } } : {});
    if (shown["Side chains"]) model.setStyle({ not: { atom: ["N", "C", "O"] } }, { stick: { radius: 0.15, colorfunc } }, true);
    template.setStyle({}, shown.Template ? { cartoon: tube } : {});
  };
  draw();
  const legend = CONFIDENCES.map(([, variable, words]) => dot(variable, words)).join("");
  const words = "<li>confidence of the alignment, of 100</li><li>grey tube: the template, pale where it is not aligned</li>";
  return { legend: legend + words, shown, draw };
}

function show(place, pdb, modelPdb) {
  const { name } = place.dataset;
  const box = document.createElement("div"), buttons = document.createElement("p"), legend = document.createElement("ul");
  box.className = "viewer";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", `${modelPdb ? "Model on the structure" : "Structure"} of ${name}. Arrow keys turn it, plus and minus zoom, R resets the view.`);
  legend.className = "legend";
  legend.setAttribute("aria-label", `Colours: ${modelPdb ? "confidence" : "match"} of the aligned residues`);
  place.replaceChildren(legend, box, buttons);
  const viewer = window.$3Dmol.createViewer(box, { backgroundColor: "white", backgroundAlpha: 0 });
  const drawn = modelPdb ? drawModel(viewer, pdb, modelPdb) : drawTemplate(viewer, pdb, place.dataset);
  legend.innerHTML = `${drawn.legend}<li>Arrow keys turn, + and − zoom, R resets.</li>`;
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
  for (const words of Object.keys(drawn.shown)) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "act plain", textContent: words });
    button.setAttribute("aria-pressed", drawn.shown[words]);
    button.addEventListener("click", () => {
      drawn.shown[words] = !drawn.shown[words];
      button.setAttribute("aria-pressed", drawn.shown[words]);
      drawn.draw();
      viewer.render();
    });
    buttons.append(button, " ");
  }
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
  const place = button.parentElement, { chain, name, viewer, model } = place.dataset;
  const say = text => place.replaceChildren(Object.assign(document.createElement("p"), { textContent: text, role: "status" }));
  button.disabled = true;
  try {
    const [cif, modelPdb] = await Promise.all([
      coordinates(place.dataset.places.split(" ").filter(Boolean)), model ? coordinates([model]) : null,
    ]);
    const pdb = cif && chainAsPdb(cif, chain);
    if (!pdb) return say(cif ? `The file has no chain ${chain}.` : `The coordinates of ${name} are not available.`);
    await loadViewer(viewer);
    show(place, pdb, modelPdb);
    if (model && !modelPdb) place.append(Object.assign(document.createElement("p"), { textContent: "The model could not be made.", role: "status" }));
  } catch {
    say("The structure cannot be shown: this browser does not support WebGL, or the viewer did not load.");
  }
});
