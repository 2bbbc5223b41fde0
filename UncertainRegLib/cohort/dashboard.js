// The table of pairs: sorted and filtered as a whole, drawn only where it is looked at.
"use strict";
(() => {
  const HEIGHT = 70; // pixels of a row, as in the style sheet
  const AROUND = 8; // rows drawn above and below what is seen
  const ABOUT = ["id", "group", "status"]; // columns that every pair has
  const data = JSON.parse(document.getElementById("data").textContent);
  const { columns, rows, pictures, thumbnails, words } = data;
  const at = Object.fromEntries(columns.map((column, number) => [column.name, number]));
  const get = (id) => document.getElementById(id);
  const scroll = get("scroll");
  const body = get("rows");
  const texts = rows.map((row) =>
    [row[at.id], row[at.group], row[at.sentence]].join(" ").toLowerCase());
  const filters = ["group", "status", "verdict", "decision"];
  let order = rows.map((_, number) => number);
  let shown = order;
  let sorting = null; // {column, down}; null: as the rows come, the worst first

  const collator = new Intl.Collator("en", { numeric: true });
  const isMissing = (value) => value === null || value === "";

  function compare(a, b) {
    const x = rows[a][sorting.column];
    const y = rows[b][sorting.column];
    if (isMissing(x) || isMissing(y)) return isMissing(x) - isMissing(y) || a - b; // last
    const way = typeof x === "number" ? x - y : collator.compare(x, y);
    return (sorting.down ? -way : way) || a - b;
  }

  function sort() {
    order = rows.map((_, number) => number);
    if (sorting) order.sort(compare);
    columns.forEach((column, number) => {
      const head = get(`head-${column.name}`);
      if (!head) return;
      const state = sorting && sorting.column === number;
      head.setAttribute("aria-sort", !state ? "none" : sorting.down ? "descending" : "ascending");
    });
    filter();
  }

  function filter() {
    const wanted = filters
      .map((name) => [at[name], get(`filter-${name}`)])
      .filter(([, box]) => box && box.value !== "*")
      .map(([column, box]) => [column, box.value]);
    const parts = get("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = order.filter((number) =>
      wanted.every(([column, value]) => String(rows[number][column] ?? "") === value) &&
      parts.every((part) => texts[number].includes(part)));
    get("count").textContent = `${shown.length} of ${rows.length} pairs`;
    scroll.scrollTop = 0;
    draw();
  }

  function cell(row, column, place) {
    const td = document.createElement("td");
    const value = row[place];
    if (column.name === "id") {
      td.className = "text";
      const inner = td.appendChild(document.createElement("div"));
      inner.append(row[at.report] ? link(row, value) : value);
    } else if (column.digits === undefined) {
      td.className = "text";
      const inner = td.appendChild(document.createElement("div"));
      inner.textContent = isMissing(value) ? "" : words[value] ?? value;
      if (value === "PASS" || value === "approve") inner.className = "pass";
      if (value === "FAIL" || value === "reject" || value === "failed") inner.className = "fail";
    } else {
      td.textContent = isMissing(value) ? "" : value.toFixed(column.digits);
    }
    td.title = td.textContent;
    return td;
  }

  function why(row) {
    const td = document.createElement("td");
    td.className = "text";
    td.colSpan = columns.filter((one) => one.title && !ABOUT.includes(one.name)).length;
    td.title = row[at.sentence];
    td.appendChild(document.createElement("div")).textContent = row[at.sentence];
    return td;
  }

  function link(row, content) {
    const a = document.createElement("a");
    a.href = `pairs/${encodeURIComponent(row[at.id])}/report.html`;
    a.target = "_blank";
    a.rel = "noopener";
    a.append(content);
    return a;
  }

  function picture(row, number) {
    const td = document.createElement("td");
    td.className = "picture";
    const source = pictures[number] ? `data:image/jpeg;base64,${pictures[number]}`
      : row[at.thumbnail] ? `${thumbnails}/${encodeURIComponent(row[at.id])}.jpg` : null;
    if (!source) return td;
    const image = document.createElement("img");
    image.loading = "lazy";
    image.alt = "";
    image.onerror = () => image.remove(); // the page was taken along without its folder
    image.src = source;
    td.append(row[at.report] ? link(row, image) : image);
    return td;
  }

  function space(rowsLeftOut) {
    const tr = document.createElement("tr");
    tr.className = "space";
    tr.style.height = `${rowsLeftOut * HEIGHT}px`;
    tr.append(document.createElement("td"));
    return tr;
  }

  function draw() {
    const first = Math.max(0, Math.floor(scroll.scrollTop / HEIGHT) - AROUND);
    const seen = Math.ceil(scroll.clientHeight / HEIGHT) + 2 * AROUND;
    const last = Math.min(shown.length, first + seen);
    const drawn = document.createDocumentFragment();
    drawn.append(space(first));
    for (const number of shown.slice(first, last)) {
      const row = rows[number];
      const tr = document.createElement("tr");
      tr.dataset.id = row[at.id];
      tr.append(picture(row, number));
      const lacks = row[at.status] !== "complete"; // its sentence has the room of its numbers
      columns.forEach((column, place) => {
        if (column.title && !(lacks && !ABOUT.includes(column.name))) {
          tr.append(cell(row, column, place));
        }
      });
      if (lacks) tr.append(why(row));
      drawn.append(tr);
    }
    drawn.append(space(shown.length - last));
    body.replaceChildren(drawn);
  }

  columns.forEach((column, number) => {
    const head = get(`head-${column.name}`);
    if (!head) return;
    head.firstElementChild.addEventListener("click", () => {
      const again = sorting && sorting.column === number;
      sorting = { column: number, down: again ? !sorting.down : column.digits !== undefined };
      sort();
    });
  });
  get("worst").addEventListener("click", () => { sorting = null; sort(); });
  get("filter-text").addEventListener("input", filter);
  filters.forEach((name) => get(`filter-${name}`)?.addEventListener("change", filter));
  document.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-filter]");
    if (!tile) return;
    filters.forEach((name) => { const box = get(`filter-${name}`); if (box) box.value = "*"; });
    get("filter-text").value = tile.dataset.filter === "text" ? tile.dataset.value : "";
    const box = get(`filter-${tile.dataset.filter}`);
    if (box && tile.dataset.filter !== "text") box.value = tile.dataset.value;
    filter();
    if (tile.tagName === "A") { event.preventDefault(); scroll.scrollIntoView(); }
  });
  let waiting = false;
  scroll.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  });
  window.addEventListener("resize", draw);
  filter();
  document.documentElement.dataset.ready = "yes";
})();
