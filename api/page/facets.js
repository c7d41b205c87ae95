// Facets: what the hits shown have in common and where they differ, as buttons that narrow the search.

import { filterText, setFilter } from "/page/options.js";

const box = document.getElementById("facets");

const COLUMNS = 5; // as many are shown,
const VALUES = 6; // each with its commonest values
const LONGEST = 60; // characters; a longer value is a text, not a name
const PLAIN = /^(?!(and|or|not|in|has|matches|true|false)$)[\p{L}_][\p{L}\p{N}_.:-]*$/iu;
const HIDDEN = ["name", "width", "height"]; // what nearly every picture has in a way of its own

const written = (value) => (typeof value === "string" ? `"${value.replace(/["\\]/g, "\\$&")}"` : String(value));
const clause = (column, value) => `${PLAIN.test(column) ? column : `\`${column}\``} = ${written(value)}`;

function counted(hits) {
  const columns = new Map();
  for (const { metadata } of hits)
    for (const [column, value] of Object.entries(metadata)) {
      if (value === null || HIDDEN.includes(column) || column.includes("`") || String(value).length > LONGEST) continue;
      const values = columns.get(column) ?? columns.set(column, new Map()).get(column);
      values.set(value, (values.get(value) ?? 0) + 1);
    }
  // A column that tells every hit from every other, or none from any, narrows nothing.
  const telling = ([column, values]) => (values.size > 1 && Math.max(...values.values()) > 1) || isSet(column, values);
  return [...columns].filter(telling).slice(0, COLUMNS);
}

const isSet = (column, values) => [...values.keys()].some((value) => has(clause(column, value)));
const clauses = () => filterText().split(/ and /).filter(Boolean);
const has = (one) => clauses().includes(one);

function button(column, value, count, run) {
  const one = clause(column, value);
  const node = Object.assign(document.createElement("button"), { type: "button", className: "facet" });
  node.append(String(value), Object.assign(document.createElement("span"), { textContent: count }));
  node.setAttribute("aria-pressed", String(has(one)));
  node.setAttribute("aria-label", `${column}: ${value}, ${count} ${count === 1 ? "hit" : "hits"}`);
  node.addEventListener("click", () => {
    const others = clauses().filter((other) => other !== one);
    const before = others.length > 1 || !/ or /i.test(others[0] ?? "") ? others : [`(${others[0]})`];
    setFilter((has(one) ? others : [...before, one]).join(" and "));
    run();
  });
  return node;
}

export function showFacets(hits, run) {
  const groups = counted(hits).map(([column, values]) => {
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Narrow by ${column}`);
    const name = Object.assign(document.createElement("span"), { className: "facet-name", textContent: column });
    const best = [...values].sort((a, b) => b[1] - a[1]).slice(0, VALUES);
    group.append(name, ...best.map(([value, count]) => button(column, value, count, run)));
    return group;
  });
  box.replaceChildren(...groups);
  box.hidden = !groups.length;
}
