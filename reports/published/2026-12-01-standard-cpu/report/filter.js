// A field above each long list that shows only the rows which hold every word; without this script the list is whole.
for (const table of document.querySelectorAll("table.filtered")) {
  const rows = [...table.tBodies[0].rows];
  const field = document.createElement("input");
  const count = document.createElement("span");
  field.type = "search";
  field.placeholder = "words that a row must hold";
  field.setAttribute("aria-label", "Filter the rows");
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = ` ${shown} of ${rows.length}`;
  };
  field.addEventListener("input", show);
  const line = document.createElement("p");
  line.className = "filter";
  line.append(field, count);
  table.parentElement.before(line);
  show();
}
