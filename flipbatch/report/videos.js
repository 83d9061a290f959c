// Sorts and searches the tables of videos. All rows of a table are in a JSON element behind it; the page has the
// first ones, and works without this script. Texts become text nodes, never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MORE_ROWS = 100;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function strip([width, levels, truth, turns], height, threshold) {
  const drawing = document.createElementNS(SVG, "svg");
  const paths = Object.entries({ turns, levels, threshold: `M0 ${threshold}h${width}`, truth });
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("class", "strip");
  drawing.setAttribute("aria-hidden", "true");
  for (const [name, path] of paths.filter(([, path]) => path)) {
    const drawn = document.createElementNS(SVG, "path");
    drawn.setAttribute("class", name);
    drawn.setAttribute("d", path);
    drawing.append(drawn);
  }
  return drawing;
}

function tableRow([name, timeline, ...texts], { stripHeight, threshold }) {
  const head = element("th", { scope: "row" }, element("span", { class: "id" }, name));
  const cells = [strip(timeline, stripHeight, threshold), ...texts];
  return element("tr", {}, head, ...cells.map((content) => element("td", {}, content)));
}

// A column holds timelines, which are neither sorted nor searched.
const TIMELINE = 1;

// What a cell is sorted by: a number where it shows one, else its text. Names are texts, even "0002".
function sortKey(text, column) {
  const number = column === 0 ? NaN : parseFloat(text.replaceAll(",", ""));
  return isNaN(number) ? text : number;
}

// Numbers come before texts in both directions: what is undefined is last.
function compare(a, b, direction) {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return direction * (a < b ? -1 : a > b ? 1 : 0);
}

function sorted(rows, column, direction) {
  const keyed = rows.map((row) => [sortKey(row[column], column), row]);
  keyed.sort(([a], [b]) => compare(a, b, direction));
  return keyed.map(([, row]) => row);
}

function activate(section) {
  const rows = JSON.parse(section.querySelector("script").textContent);
  const texts = new Map(rows.map((row) => [row, row.toSpliced(TIMELINE, 1).join("\n").toLowerCase()]));
  const [table, search, more, status] = ["table", "input", "button.more", "output"].map((one) =>
    section.querySelector(one));
  const body = table.tBodies[0];
  let order = rows;
  let found = rows;
  let shown = body.rows.length;

  function show(number) {
    shown = Math.min(number, found.length);
    body.replaceChildren(...found.slice(0, shown).map((row) => tableRow(row, table.dataset)));
    more.hidden = shown === found.length;
    status.textContent = `${shown.toLocaleString("en")} of ${found.length.toLocaleString("en")} videos`;
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    found = order.filter((row) => texts.get(row).includes(wanted));
    show(MORE_ROWS);
  }

  function sort(head, column) {
    const before = head.getAttribute("aria-sort");
    const direction = before === "descending" || (!before && column === 0) ? 1 : -1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    order = sorted(rows, column, direction);
    filter();
  }

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (column === TIMELINE) return;
    const button = element("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
  });
  search.addEventListener("input", filter);
  more.addEventListener("click", () => show(shown + MORE_ROWS));
  section.querySelector(".controls").hidden = false;
  status.textContent = `${shown} of ${rows.length.toLocaleString("en")} videos`;
  more.hidden = shown === rows.length;
}

document.querySelectorAll(".video-table").forEach(activate);
