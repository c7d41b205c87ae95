// The "Why?" dialog: the picture, where each word of the query looked, and what the score is made of.

import { showAsk } from "/page/ask.js";
import { heatMapUrl, imageUrl, nameOf } from "/page/client.js";
import { ratioOf } from "/page/grid.js";
import { combine, draw } from "/page/heatmap.js";
import { clearRegion, onRegion } from "/page/region.js";

const find = (id) => document.getElementById(id);
const dialog = find("why");
const canvas = find("heat");
const opacity = find("opacity");

const NAMES = {
  recall: "First look",
  visual: "Picture as a whole",
  caption: "Caption as a whole",
  lexical: "Words as written",
  ocr: "Words in the picture",
  objects: "Things in the picture",
  match: "Read together with the picture",
  "not read": "Picture not read again",
  late: "Word by word",
  fusion: "Read together",
  "below rerank depth": "Below the second look",
};

let shown = null; // the hit in the dialog
let written = null; // the query as it could be typed, where it can
let chips = [];

function number(value) {
  return value === null ? "none" : value.toFixed(3);
}

function row(name, value, largest, { total = false, shown = number(value) } = {}) {
  const term = document.createElement("dt");
  term.textContent = name;
  const detail = document.createElement("dd");
  detail.textContent = shown;
  const bar = document.createElement("i");
  bar.style.setProperty("--share", largest ? Math.min(1, Math.abs(value ?? 0) / largest) : 0);
  bar.classList.toggle("less", value < 0);
  detail.prepend(bar);
  for (const node of [term, detail]) node.classList.toggle("total", total);
  return [term, detail];
}

function showScore(hit, explanation) {
  const parts = Object.entries(explanation?.contributions ?? hit.signals);
  const largest = Math.max(...parts.map(([, value]) => Math.abs(value ?? 0)), Math.abs(hit.score ?? 0));
  const rows = parts.flatMap(([name, value]) => row(NAMES[name] ?? name.replaceAll("_", " "), value, largest));
  find("parts").replaceChildren(...rows, ...row("Score", hit.score, largest, { total: true }));
  const chance = hit.probability === null ? "" : ` It matches with a probability of ${Math.round(hit.probability * 100)}%.`;
  find("why-rank").textContent = `Number ${hit.rank} of the hits.${moved(hit, explanation)}${chance}`;
}

function moved(hit, explanation) {
  if (!explanation) return "";
  const places = explanation.recall_rank - hit.rank;
  if (!places) return " It has the place of the first look.";
  const count = Math.abs(places);
  const way = places > 0 ? "up" : "down";
  return ` The second look moved it ${way} by ${count} ${count === 1 ? "place" : "places"}, from number ${explanation.recall_rank}.`;
}

function showRun({ plan, timings, reranked, notes }) {
  const among =
    plan.allowed === null || plan.allowed === plan.held
      ? `Looked among ${plan.held.toLocaleString()} items`
      : `Looked among ${plan.allowed.toLocaleString()} of ${plan.held.toLocaleString()} items`;
  const second = reranked ? "The best were looked at again." : "There was no second look.";
  find("why-plan").textContent = [`${among}: ${plan.name}, ${plan.reason}.`, second, ...notes].join(" ");
  const { total, ...stages } = timings;
  const rows = Object.entries(stages).flatMap(([name, value]) => row(name, value, total, { shown: `${value.toFixed(1)} ms` }));
  find("timings").replaceChildren(...rows, ...row("All", total, total, { total: true, shown: `${total.toFixed(1)} ms` }));
}

// The same as a picture to keep; only a query that can be typed can be part of an address.
function offerMap(word) {
  const link = find("heat-save");
  link.hidden = !written;
  if (written) link.href = heatMapUrl(shown.id, written, word);
}

function look(chip, label, grid, word) {
  offerMap(word);
  for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
  draw(canvas, grid, ratioOf(shown));
  canvas.setAttribute("aria-label", `Heat map: where ${label} looked`);
  canvas.hidden = false;
}

function makeChip(label, spoken, grid, weight, word) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = "word";
  chip.append(label);
  if (weight !== null) {
    chip.style.setProperty("--weight", weight);
    chip.title = `${Math.round(weight * 100)} % of the match`;
  }
  const show = () => look(chip, spoken, grid, word);
  for (const event of ["pointerenter", "focus", "click"]) chip.addEventListener(event, show);
  return chip;
}

function showWords(words) {
  find("why-words").hidden = !words.length;
  chips = [];
  if (!words.length) return;
  const heaviest = Math.max(...words.map((word) => word.weight)) || 1;
  const all = makeChip("All words", "all words together", combine(words), null);
  chips = [all, ...words.map((word) => makeChip(word.word, `“${word.word}”`, word.grid, word.weight, word.word))];
  words.forEach((word, place) => chips[place + 1].style.setProperty("--bar", word.weight / heaviest));
  find("words").replaceChildren(...chips);
  look(all, "all words together", combine(words));
}

function showPicture(hit) {
  const isImage = hit.kind === "image";
  const picture = find("why-picture");
  find("why-frame").hidden = !isImage;
  find("why-open").hidden = !isImage;
  find("why-part").hidden = !isImage;
  clearRegion();
  find("why-text").hidden = isImage;
  find("why-caption").textContent = isImage ? nameOf(hit) : hit.uri;
  canvas.hidden = true;
  if (isImage) {
    find("why-frame").style.setProperty("--ratio", ratioOf(hit));
    picture.alt = nameOf(hit);
    picture.src = imageUrl(hit.id);
    find("why-open").href = imageUrl(hit.id);
  } else {
    picture.removeAttribute("src");
    find("why-text").textContent = hit.text ?? "";
  }
}

// `explain` gives the hit's explanation (null when there is none) and the answer it came with.
export async function openWhy(hit, result, explain) {
  shown = hit;
  written = result.query.written;
  showPicture(hit);
  showWords([]);
  showAsk(hit);
  showScore(hit, null);
  showRun(result);
  find("why-message").textContent = "Looking closer…";
  dialog.showModal();
  let message = "";
  try {
    const { explanation, result: closer } = await explain();
    if (shown !== hit) return;
    showScore(hit, explanation);
    showRun(closer);
    showWords(hit.kind === "image" ? (explanation?.words ?? []) : []);
  } catch (error) {
    message = error.message;
  }
  if (shown === hit) find("why-message").textContent = message;
}

export const closeWhy = () => dialog.open && dialog.close();

opacity.addEventListener("input", () => canvas.style.setProperty("opacity", opacity.value / 100));
canvas.style.setProperty("opacity", opacity.value / 100);
find("why-close").addEventListener("click", () => dialog.close());
// A click on the backdrop lands on the dialog itself, one inside it on something it holds.
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  shown = null;
});

// Closes the dialog before what was asked of its hit.
const leaving = (action) => (region) => {
  const hit = shown;
  dialog.close();
  action(hit, Array.isArray(region) ? region : undefined);
};

export function onLike({ like, add }) {
  find("why-like").addEventListener("click", leaving(like));
  find("why-add").addEventListener("click", leaving(add));
  onRegion(leaving(like), leaving(add));
}
