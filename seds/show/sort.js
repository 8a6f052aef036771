// Sorts the table by a column when its heading is clicked: numbers in descending order, texts in ascending order, and the
// other way round at the next click. Unknown values stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const body = heading.closest("table").tBodies[0];
    const isText = heading.dataset.text !== undefined;
    const sorted = heading.getAttribute("aria-sort");
    const order = sorted === "ascending" ? -1 : sorted === "descending" || isText ? 1 : -1;
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order < 0 ? "descending" : "ascending");
    const value = (row) => row.cells[heading.cellIndex].dataset.value ?? row.cells[heading.cellIndex].textContent;
    const rank = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "nan" || y === "nan") return (x === "nan") - (y === "nan");
      return order * (isText ? x.localeCompare(y, "en", { numeric: true }) : x - y);
    };
    body.append(...[...body.rows].sort(rank));
  });
}
