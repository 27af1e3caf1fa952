/* The table of a page of the report: search, sort, page; and bars, tiles and a cloud of points that choose its rows. */
"use strict";
(async () => {
const PAGE = matchMedia("(max-width: 76rem)").matches ? 20 : 100;
const {columns, choices, sorted, rows} = await read(document.getElementById("data"));
const visible = columns.map((_, place) => place).filter(place => !columns[place].hidden);
const box = document.querySelector("#status + .scroll");
const texts = rows.map(row => row.filter(value => typeof value === "string").join(" ").toLowerCase());
const ABSENT = "\u2013";
let shownRows = rows.map((_, index) => index), order = shownRows, by = sorted, falling = false, page = 0;

async function read(element) {
  if (element.type === "application/json") return JSON.parse(element.textContent);
  const bytes = Uint8Array.from(atob(element.textContent), letter => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
function shown(kind, value) {
  if (value === null || value === "") return ABSENT;
  if (kind === "evalue") {
    if (value === 0) return "< 1e-300";
    return value > 0 && value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(2)));
  }
  const digits = kind === "tenths" ? 1 : 0, apart = {minimumFractionDigits: digits, maximumFractionDigits: digits};
  return kind === "text" ? value : value.toLocaleString("en", apart);
}
function cell(column, value) {
  const found = column.link && new RegExp(column.link.pattern).exec(value);
  const text = shown(column.kind, value);
  // an id is broken between its parts
  const parts = text.split(/(?<=\|)/).flatMap((part, place) => place ? [make("wbr", {}), part] : [part]);
  const content = found ? [make("a", {href: column.link.address + found[1], target: "_blank",
    rel: "noopener noreferrer"}, ...parts)] : parts;
  const kinds = [column.kind === "text" ? "" : "number", text === ABSENT ? "absent" : ""];
  const element = make("td", {className: kinds.join(" ").trim()}, ...content);
  element.dataset.name = column.name;
  return element;
}
function compare(a, b) {
  const x = rows[a][by], y = rows[b][by];
  if (x === y) return a - b;
  if (x === null || x === "") return 1;
  if (y === null || y === "") return -1;
  return (x < y ? -1 : 1) * (falling ? -1 : 1);
}
function draw() {
  const pages = Math.max(1, Math.ceil(shownRows.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const part = shownRows.slice(page * PAGE, (page + 1) * PAGE);
  box.querySelector("tbody").replaceChildren(...part.map(index =>
    make("tr", {}, ...visible.map(place => cell(columns[place], rows[index][place])))));
  const count = number => number.toLocaleString("en");
  const found = part.length ? `Rows ${count(page * PAGE + 1)} to ${count(page * PAGE + part.length)} of ` +
    count(shownRows.length) : "Nothing found";
  document.getElementById("status").textContent = found +
    (shownRows.length < rows.length ? `; ${count(rows.length)} in all.` : ".");
  document.getElementById("pages").hidden = pages === 1;
  first.disabled = previous.disabled = page === 0;
  next.disabled = last.disabled = page === pages - 1;
  where.textContent = `page ${count(page + 1)} of ${count(pages)}`;
}
function select() {
  const words = search.value.toLowerCase().split(/\s+/).filter(word => word);
  const wanted = choices[choice.selectedIndex];
  shownRows = order.filter(index => words.every(word => texts[index].includes(word)) && (!wanted ||
    rows[index][wanted.column] >= wanted.least && (wanted.most === null || rows[index][wanted.column] <= wanted.most))
    && [...picked].every(([column, limits]) => isWithin(rows[index][column], limits)));
  page = 0;
  draw();
  drawCloud();
}
function isWithin(value, {least, below}) {
  return value !== null && value !== "" && (least === null || value >= least) && (below === null || value < below);
}
/* Keeps the rows whose value of a column is from least up to, but not including, below; null is no limit. */
function pick(column, limits) {
  if (limits) picked.set(column, limits); else picked.delete(column);
  select();
  for (const bar of bars) {
    const {least, below} = picked.get(Number(bar.dataset.column)) ?? {least: NaN};
    bar.classList.toggle("chosen", limitsOf(bar).least === least && limitsOf(bar).below === below);
  }
  document.getElementById("picked")?.replaceChildren(...[...picked].map(([chosen, {words}]) => make("button",
    {type: "button", title: "Remove this filter", onclick: () => pick(chosen, null)}, `${words} \u00d7`)));
}
function limitsOf({dataset}) {
  const number = text => text === undefined ? null : Number(text);
  return {least: number(dataset.least), below: number(dataset.below), words: dataset.words};
}
function sortBy(column, descending) {
  by = column;
  falling = descending;
  order = rows.map((_, index) => index);
  if (by !== null) order.sort(compare);
  headings.forEach((heading, shownAt) => heading.ariaSort = visible[shownAt] !== by ? null : falling ? "descending" : "ascending");
  sortChoice.value = by === null ? "" : String(by);
  select();
}
function turn(pages) {
  page += pages;
  draw();
  document.getElementById("status").scrollIntoView();
}

const picked = new Map(), bars = [...document.querySelectorAll(".pick")];
for (const bar of bars) {
  const column = Number(bar.dataset.column);
  bar.tabIndex = 0;
  bar.setAttribute("role", "button");
  bar.setAttribute("aria-label", bar.textContent.trim());
  const toggle = () => pick(column, bar.classList.contains("chosen") ? null : limitsOf(bar));
  bar.addEventListener("click", toggle);
  bar.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
}
for (const tile of document.querySelectorAll("[data-choice]")) tile.addEventListener("click", () => {
  choice.selectedIndex = Number(tile.dataset.choice);
  select();
  document.getElementById("controls").scrollIntoView();
});

/* A cloud: two columns of numbers against each other, on logarithmic axes. */
const cloud = document.querySelector("canvas"), tip = document.getElementById("tip"), LEFT = 50, TOP = 16, BOTTOM = 36;
const axes = cloud && [cloud.dataset.x, cloud.dataset.y].map(column => {
  const values = rows.map(row => row[column]).filter(value => value > 0);
  const low = Math.log10(Math.min(...ends(values))), high = Math.log10(Math.max(...ends(values)));
  return {column: Number(column), low: low - 0.03, high: high + 0.03};
});
let dragged = null;
function ends(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
function place(axis, value, start, end) {
  return start + (end - start) * (Math.log10(value) - axis.low) / (axis.high - axis.low);
}
function valueAt(axis, at, start, end) {
  return 10 ** (axis.low + (axis.high - axis.low) * (at - start) / (end - start));
}
function sides() {
  return {width: cloud.clientWidth, height: cloud.clientHeight - BOTTOM};
}
function pointOf(index) {
  const {width, height} = sides(), [x, y] = axes.map(axis => rows[index][axis.column]);
  return x > 0 && y > 0 ? [place(axes[0], x, LEFT, width), place(axes[1], y, height, TOP)] : null;
}
function drawCloud() {
  if (!cloud || !Number.isFinite(axes[0].low + axes[1].low)) return;
  const ratio = devicePixelRatio || 1, {width, height} = sides(), ink = cloud.getContext("2d");
  [cloud.width, cloud.height] = [width * ratio, (height + BOTTOM) * ratio];
  ink.scale(ratio, ratio);
  const style = getComputedStyle(cloud), colour = name => style.getPropertyValue(`--${name}`);
  ink.fillStyle = colour("soft");
  ink.strokeStyle = colour("line");
  ink.font = "11px system-ui, sans-serif";
  for (const [number, axis] of axes.entries())
    for (let power = Math.floor(axis.low); power <= axis.high; power++) for (const digit of [1, 2, 5]) {
      const value = digit * 10 ** power, at = number ? place(axis, value, height, TOP) : place(axis, value, LEFT, width);
      if (at < (number ? TOP : LEFT) || at > (number ? height : width)) continue;
      ink.textAlign = number ? "right" : "center";
      ink.fillText(value.toLocaleString("en"), number ? LEFT - 5 : at, number ? at + 4 : height + 14);
      ink.beginPath();
      ink.moveTo(number ? LEFT : at, number ? at : TOP);
      ink.lineTo(number ? width : at, number ? at : height);
      ink.stroke();
    }
  ink.textAlign = "right";
  ink.fillText(columns[axes[0].column].name.toLowerCase(), width, height + 30);
  ink.textAlign = "left";
  ink.fillText(columns[axes[1].column].name.toLowerCase(), LEFT + 4, 10);
  const kinds = JSON.parse(cloud.dataset.kinds), kindColumn = Number(cloud.dataset.kind);
  ink.globalAlpha = shownRows.length > 2000 ? 0.4 : 0.8;
  for (const index of shownRows) {
    const point = pointOf(index);
    if (!point) continue;
    ink.fillStyle = colour(kinds[rows[index][kindColumn]] ?? "open");
    ink.fillRect(point[0] - 2, point[1] - 2, 4, 4);
  }
  ink.globalAlpha = 1;
  if (dragged?.to) {
    ink.strokeStyle = colour("text");
    ink.strokeRect(dragged.from[0], dragged.from[1], dragged.to[0] - dragged.from[0], dragged.to[1] - dragged.from[1]);
  }
}
function nearest([x, y]) {
  let found = null, best = 100;
  for (const index of shownRows) {
    const point = pointOf(index), distance = point ? (point[0] - x) ** 2 + (point[1] - y) ** 2 : Infinity;
    if (distance < best) [found, best] = [index, distance];
  }
  return found;
}
if (cloud) {
  const at = event => [event.offsetX, event.offsetY];
  cloud.addEventListener("pointerdown", event => { dragged = {from: at(event)}; });
  cloud.addEventListener("pointermove", event => {
    if (dragged && event.buttons && Math.hypot(event.offsetX - dragged.from[0], event.offsetY - dragged.from[1]) > 5) {
      dragged.to = at(event);
      drawCloud();
      return;
    }
    const found = nearest(at(event));
    tip.textContent = found === null ? tip.dataset.empty : visible.slice(0, 8).map(column =>
      shown(columns[column].kind, rows[found][column])).filter(text => text !== ABSENT).join(" \u00b7 ");
  });
  cloud.addEventListener("pointerup", event => {
    const {width, height} = sides(), {from, to} = dragged ?? {};
    dragged = null;
    if (to) {
      for (const [number, axis] of axes.entries()) {
        const [low, high] = [from[number], to[number]].map(value =>
          number ? valueAt(axis, value, height, TOP) : valueAt(axis, value, LEFT, width)).sort((a, b) => a - b);
        const words = `${columns[axis.column].name} ${low.toPrecision(3)} to ${high.toPrecision(3)}`;
        pick(axis.column, {least: low, below: high, words});
      }
      return;
    }
    const found = nearest(at(event));
    if (found === null) return;
    search.value = rows[found][0];
    select();
  });
  addEventListener("resize", drawCloud);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCloud);
}

const search = make("input", {type: "search", oninput: select});
const choice = make("select", {onchange: select}, ...choices.map(one => make("option", {}, one.name)));
const sortChoice = make("select", {onchange: () => sortBy(...(sortChoice.value === "" ? [null, false] :
  [Number(sortChoice.value), Boolean(columns[sortChoice.value].falling)]))}, make("option", {value: ""}, "none"),
  ...columns.map((column, place) => make("option", {value: place}, column.name)));
document.getElementById("controls").append(make("label", {}, "Search", search));
if (choices.length) document.getElementById("controls").append(make("label", {}, "Show", choice));
document.getElementById("controls").append(make("label", {className: "phone"}, "Sort by", sortChoice));
const headings = [...box.querySelectorAll("th")];
headings.forEach((heading, shownAt) => {
  const place = visible[shownAt];
  heading.replaceChildren(make("button", {type: "button",
    onclick: () => sortBy(place, place === by ? !falling : Boolean(columns[place].falling))}, columns[place].name));
});
const first = make("button", {type: "button", onclick: () => turn(-Infinity)}, "First");
const previous = make("button", {type: "button", onclick: () => turn(-1)}, "Previous");
const next = make("button", {type: "button", onclick: () => turn(1)}, "Next");
const last = make("button", {type: "button", onclick: () => turn(Infinity)}, "Last");
const where = make("span", {});
document.getElementById("pages").append(first, previous, where, next, last);
document.getElementById("controls").hidden = false;
sortBy(by, false);
})();
