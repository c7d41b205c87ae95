// What a search is asked with beside the query: switches, how sure, how long, which signals, which items.

const find = (id) => document.getElementById(id);
const kinds = document.getElementsByName("kind");
const [weigh, weights, filter] = ["weigh", "weights", "filter"].map(find);
const sliders = [...weights.querySelectorAll("input")];

// A switch, its name in the address, and what the address holds when it is not as it usually is.
const SWITCHES = [
  { box: find("rerank"), name: "rerank", usual: true, other: "0" },
  { box: find("group"), name: "group", usual: false, other: "1" },
  { box: find("diversity"), name: "diversity", usual: false, other: "0.5" },
];
const CHOICES = [find("precision"), find("budget")];

export const kind = () => [...kinds].find(({ checked }) => checked)?.value;
export const filterText = () => filter.value.trim();

function signals() {
  const chosen = sliders.map(({ name, value }) => [name, Number(value)]).filter(([, weight]) => weight);
  return weigh.checked && chosen.length ? Object.fromEntries(chosen) : null;
}

// As the service takes them.
export function options() {
  const [precision, budget] = CHOICES.map(({ value }) => Number(value));
  const [rerank, group, diversity] = SWITCHES.map(({ box }) => box.checked);
  return {
    rerank: rerank && budget ? { milliseconds: budget } : rerank,
    group,
    diversity: diversity ? 0.5 : 0,
    ...(kind() === "text" ? { kind: "text" } : {}),
    ...(precision ? { precision } : {}),
    ...(signals() ? { signals: signals() } : {}),
    ...(filterText() ? { filter: filterText() } : {}),
  };
}

// As the address has them: only what is not as it usually is.
export function write(parameters) {
  if (kind() === "text") parameters.set("kind", "text");
  for (const { box, name, usual, other } of SWITCHES) if (box.checked !== usual) parameters.set(name, other);
  for (const { id, value } of CHOICES) if (value) parameters.set(id, value);
  if (signals()) parameters.set("signals", Object.entries(signals()).map(([name, weight]) => `${name}=${weight}`).join(","));
  if (filterText()) parameters.set("filter", filterText());
}

export function read(parameters) {
  for (const { box, name, usual } of SWITCHES) box.checked = parameters.has(name) ? !usual : usual;
  for (const choice of CHOICES) {
    choice.value = parameters.get(choice.id) ?? "";
    if (choice.selectedIndex < 0) choice.value = ""; // an address may ask for what is not offered here
  }
  const wanted = parameters.get("kind") === "text" ? "text" : "image";
  kinds.forEach((radio) => (radio.checked = radio.value === wanted));
  const given = new Map((parameters.get("signals") ?? "").split(",").map((pair) => pair.split("=")));
  weigh.checked = parameters.has("signals");
  sliders.forEach((slider) => (slider.value = weigh.checked ? (given.get(slider.name) ?? 0) : 1));
  filter.value = parameters.get("filter") ?? "";
  show();
}

export function setFilter(text) {
  filter.value = text;
  show();
}

function show() {
  weights.hidden = !weigh.checked;
  for (const slider of sliders) slider.nextElementSibling.textContent = Number(slider.value);
  const set = [...CHOICES.map(({ value }) => value), weigh.checked, filterText()].filter(Boolean).length;
  find("options-set").textContent = set ? ` (${set})` : "";
  if (set) find("more-options").open = true;
}

export function onOptions(run) {
  const changed = () => {
    show();
    run();
  };
  const inputs = [...kinds, ...SWITCHES.map(({ box }) => box), ...CHOICES, weigh, ...sliders];
  inputs.forEach((input) => input.addEventListener("change", changed));
  sliders.forEach((slider) => slider.addEventListener("input", show));
  find("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
  });
  find("scores").addEventListener("change", ({ target }) => document.body.classList.toggle("with-scores", target.checked));
}
