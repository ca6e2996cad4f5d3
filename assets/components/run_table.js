// The learner's runs as a table: a heading sorts, a row is chosen or not (trigger "chosen": the ids, in their order).
// data: {columns: [{name, title, number, help}], rows: [{id, colour, chosen, cells: {name: {text, small, sort, state}}}],
//        most, rows_at_first, text: {choose, full, sort, all, fewer}}

export const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_all, name) => values[name]);

// Rows in the order of a column: numbers by size, words by the alphabet, what has no value always last.
export function sorted(rows, order) {
  if (!order) return rows;
  const value = (row) => row.cells[order.name]?.sort ?? null;
  const compare = (a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === null || other === null) return (one === null) - (other === null);
    const found = typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
    return order.down ? -found : found;
  };
  return [...rows].sort(compare);
}

// What a heading does next: numbers begin with the largest, words with A; the third press gives the first order back.
export function turned(order, column) {
  const first = Boolean(column.number);
  if (order?.name !== column.name) return { name: column.name, down: first };
  return order.down === first ? { name: column.name, down: !first } : null;
}

export function toggled(chosen, id, most) {
  if (chosen.includes(id)) return chosen.filter((one) => one !== id);
  return chosen.length < most ? [...chosen, id] : chosen;
}

// The rows that are shown before one asks for all: the first so many, and those that are chosen. One alone is never left out.
export function first(rows, chosen, many) {
  if (rows.length <= many + 1) return rows;
  return rows.filter((row, place) => place < many || chosen.includes(row.id));
}

function element(tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function head(lab) {
  const row = element("tr");
  row.append(element("th", "pick"));
  for (const column of lab.data.columns) {
    const on = lab.order?.name === column.name;
    const sort = on ? (lab.order.down ? "descending" : "ascending") : "none";
    const cell = element("th", column.number ? "number" : "", { scope: "col", "aria-sort": sort });
    const title = [fill(lab.data.text.sort, { title: column.title }), column.help].filter(Boolean).join("\n");
    const button = element("button", "", { type: "button", title, "data-name": column.name }, column.title);
    button.append(element("span", "way", { "aria-hidden": "true" }, on ? (lab.order.down ? "↓" : "↑") : ""));
    button.onclick = () => {
      lab.order = turned(lab.order, column);
      draw(lab);
      lab.table.querySelector(`button[data-name="${column.name}"]`).focus();
    };
    cell.append(button);
    row.append(cell);
  }
  return row;
}

function line(lab, row) {
  const chosen = lab.chosen.includes(row.id);
  const full = !chosen && lab.chosen.length >= lab.data.most;
  const node = element("tr", chosen ? "chosen" : "", { "data-id": row.id });
  const pick = element("td", "pick");
  const label = fill(lab.data.text.choose, { name: row.cells.name.text });
  const box = element("input", "", { type: "checkbox", "aria-label": label, title: full ? lab.data.text.full : label });
  box.checked = chosen;
  box.disabled = full;
  pick.append(box);
  if (row.colour) pick.append(element("i", "swatch", { style: `background:${row.colour}`, "aria-hidden": "true" }));
  node.append(pick);
  for (const column of lab.data.columns) {
    const { text = "–", small = "", state = "" } = row.cells[column.name] ?? {};
    const style = `${column.name} ${column.number ? "number" : ""} ${text === "–" ? "none" : ""}`;
    const cell = element("td", style, { "data-title": column.title });
    const main = element("span", state ? `state ${state}` : "main", {}, text);
    cell.append(main);
    if (small) cell.append(element("small", "", {}, small));
    node.append(cell);
  }
  return node;
}

function draw(lab) {
  const focused = lab.root.getRootNode().activeElement?.closest?.("tr")?.dataset.id;
  const [top, body] = [element("thead"), element("tbody")];
  top.dataset.title = lab.data.text.sortBy ?? ""; // on a phone, where it heads no columns
  top.append(head(lab));
  const rows = sorted(lab.data.rows, lab.order);
  const some = first(rows, lab.chosen, lab.data.rows_at_first);
  body.append(...(lab.all ? rows : some).map((row) => line(lab, row)));
  lab.table.replaceChildren(top, body);
  lab.more.hidden = some.length === rows.length;
  lab.more.textContent = lab.all ? lab.data.text.fewer : lab.data.text.all;
  lab.more.setAttribute("aria-expanded", String(lab.all));
  if (focused) lab.table.querySelector(`tr[data-id="${focused}"] input`)?.focus({ preventScroll: true });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".runs-root");
  const lab = (root.lab ??= {
    root, order: null, all: false, table: root.appendChild(element("table")),
    more: root.appendChild(element("button", "more", { type: "button" })),
  });
  lab.data = data;
  lab.chosen = data.rows.filter((row) => row.chosen !== null).sort((a, b) => a.chosen - b.chosen).map((row) => row.id);
  draw(lab);
  lab.more.onclick = () => {
    lab.all = !lab.all;
    draw(lab);
  };
  lab.table.onclick = (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const next = toggled(lab.chosen, row.dataset.id, data.most);
    if (next === lab.chosen) return;
    lab.chosen = next;
    draw(lab);
    lab.table.querySelector(`tr[data-id="${row.dataset.id}"] input`)?.focus({ preventScroll: true });
    setTriggerValue("chosen", next);
  };
}
