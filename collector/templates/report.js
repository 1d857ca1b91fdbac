"use strict";
// Sorts tables, filters and sorts groups. Reads what the page shows; makes no markup.

for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead button").forEach((button) => {
    const header = button.closest("th");
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") !== "descending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const column = header.cellIndex;
      const body = table.tBodies[0];
      const key = (row) => {
        const cell = row.cells[column];
        const value = cell.dataset.value;
        return value === undefined ? cell.textContent.trim() : value === "" ? -Infinity : Number(value);
      };
      const rows = [...body.rows].map((row, index) => ({ row, index, key: key(row) }));
      const order = (a, b) =>
        typeof a.key === "number" ? a.key - b.key : a.key.localeCompare(b.key);
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)) || a.index - b.index);
      body.append(...rows.map(({ row }) => row));
    });
  });
}

const list = document.getElementById("groups");
if (list) {
  const groups = [...list.children];
  const filters = document.getElementById("filters");
  const shown = document.getElementById("shown");
  groups.forEach((group, index) => {
    group.order = index;
    group.words = group.textContent.toLowerCase();
  });
  for (const name of ["method", "place", "kind"]) {
    const select = filters.elements[name];
    const values = [...new Set(groups.map((group) => group.dataset[name]))].sort();
    for (const value of values) select.append(new Option(value, value));
  }
  const apply = () => {
    const wanted = filters.elements;
    const words = wanted.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of groups) {
      const fits =
        ["method", "place", "kind"].every(
          (name) => wanted[name].value === "" || group.dataset[name] === wanted[name].value,
        ) &&
        (wanted.ignored.checked || group.dataset.ignored === "false") &&
        words.every((word) => group.words.includes(word));
      group.hidden = !fits;
      count += fits ? 1 : 0;
    }
    shown.textContent = `${count} of ${groups.length} shown`;
  };
  const sort = () => {
    const by = filters.elements.sort.value;
    const order = {
      pairs: (a, b) => b.dataset.pairs - a.dataset.pairs,
      rate: (a, b) => b.dataset.rate - a.dataset.rate,
      method: (a, b) => a.dataset.method.localeCompare(b.dataset.method),
      path: (a, b) => a.dataset.path.localeCompare(b.dataset.path),
    }[by];
    groups.sort((a, b) => order(a, b) || a.order - b.order);
    list.append(...groups);
  };
  filters.addEventListener("input", apply);
  filters.elements.sort.addEventListener("change", sort);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.hidden = false;
  apply();
}
document.documentElement.dataset.ready = "true";
