// The hits: rows of pictures in their own proportions, and cards for texts. Captions are data, so only
// textContent ever takes them.

import { altOf, imageUrl, nameOf, thumbnailUrl } from "/page/client.js";

const grid = document.getElementById("grid");
const misses = document.getElementById("misses");
const template = document.getElementById("hit");

// A strip or a panorama would claim a whole row; past these it is shown whole inside its cell.
const NARROWEST = 0.5;
const WIDEST = 2.8;
// A skeleton looks like a page of photographs.
const SKELETON = [1.5, 0.75, 1.33, 1.5, 1, 1.5, 0.7, 1.33, 1.5, 1.33, 0.8, 1.5];

export const ratioOf = (hit) =>
  hit.kind === "image" && hit.metadata.width && hit.metadata.height
    ? hit.metadata.width / hit.metadata.height
    : 1;

const cellRatio = (hit) => Math.min(WIDEST, Math.max(NARROWEST, ratioOf(hit)));

function score(hit) {
  const parts = Object.entries(hit.signals).map(([name, value]) => `${name} ${value?.toFixed(3) ?? "none"}`);
  const chance = hit.probability === null ? "" : `${Math.round(hit.probability * 100)}% · `;
  return `${chance}${hit.score?.toFixed(3) ?? "none"} · ${parts.join(" · ")}`;
}

function card(hit, actions) {
  const node = template.content.firstElementChild.cloneNode(true);
  const name = nameOf(hit);
  const button = node.querySelector(".picture");
  const ratio = cellRatio(hit);
  node.style.setProperty("--ratio", ratio);
  node.dataset.id = hit.id;
  if (hit.kind === "image") {
    const picture = button.querySelector("img");
    picture.alt = altOf(hit);
    picture.width = hit.metadata.width;
    picture.height = hit.metadata.height;
    picture.loading = hit.rank > 12 ? "lazy" : "eager";
    picture.src = thumbnailUrl(hit.id, ratio > 1.8 ? 1024 : 640);
    picture.addEventListener("error", () => node.classList.add("gone"), { once: true });
  } else {
    const text = document.createElement("span");
    text.className = "words-of";
    text.textContent = hit.text ?? "";
    button.replaceChildren(text);
    node.classList.add("text");
  }
  const under = hit.kind === "image" ? name : hit.uri;
  Object.assign(node.querySelector(".name"), { textContent: under, title: under });
  node.querySelector(".score").textContent = score(hit);
  node.querySelector(".why-button").setAttribute("aria-label", `Why? ${name}`);
  node.querySelector(".like-button").setAttribute("aria-label", `More like this: ${name}`);
  button.addEventListener("click", () => actions.why(hit));
  node.querySelector(".why-button").addEventListener("click", () => actions.why(hit));
  node.querySelector(".like-button").addEventListener("click", () => actions.like(hit));
  node.querySelector(".add-button").setAttribute("aria-label", `Add to the query: ${name}`);
  node.querySelector(".add-button").addEventListener("click", () => actions.add(hit));
  if (hit.alike.length) showBehind(node, hit);
  return node;
}

// What was grouped behind a hit: the same file, or a picture that hardly differs.
function behind(one) {
  const cell = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: imageUrl(one.id), target: "_blank", rel: "noopener" });
  const picture = Object.assign(new Image(), { src: thumbnailUrl(one.id, 160), alt: nameOf(one), loading: "lazy" });
  const kind = document.createElement("span");
  kind.textContent = one.exact ? "same file" : `${Math.floor(one.likeness * 100)} % alike`;
  link.title = nameOf(one);
  link.append(picture, kind);
  cell.append(link);
  return cell;
}

function showBehind(node, hit) {
  const button = node.querySelector(".alike-button");
  const list = node.querySelector(".alike");
  button.hidden = false;
  button.textContent = `+${hit.alike.length} similar`;
  button.addEventListener("click", () => {
    const open = list.hidden;
    if (open && !list.children.length) list.append(...hit.alike.map(behind));
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  });
}

export function append(hits, actions) {
  grid.append(...hits.map((hit) => card(hit, actions)));
}

export function showHits(hits, actions) {
  grid.setAttribute("aria-busy", "false");
  grid.replaceChildren(...hits.map((hit) => card(hit, actions)));
}

export function showMisses(hits, actions) {
  document.getElementById("misses-box").hidden = !hits.length;
  misses.replaceChildren(...hits.map((hit) => card(hit, actions)));
}

export function showSkeleton() {
  grid.setAttribute("aria-busy", "true");
  const cells = SKELETON.map((ratio) => {
    const cell = document.createElement("li");
    cell.className = "hit skeleton";
    cell.setAttribute("aria-hidden", "true");
    cell.style.setProperty("--ratio", ratio);
    cell.append(document.createElement("div"));
    return cell;
  });
  grid.replaceChildren(...cells);
}

export function clear() {
  showMisses([], {});
  grid.setAttribute("aria-busy", "false");
  grid.replaceChildren();
}

// The hit above or below: of those in the next row, the one whose middle is nearest.
function vertical(buttons, from, direction) {
  const here = from.getBoundingClientRect();
  const middle = here.left + here.width / 2;
  const others = buttons
    .map((button) => ({ button, box: button.getBoundingClientRect() }))
    .filter(({ box }) => direction * (box.top - here.top) > here.height / 2);
  const row = Math.min(...others.map(({ box }) => Math.abs(box.top - here.top)));
  const near = ({ box }) => Math.abs(box.left + box.width / 2 - middle);
  return others
    .filter(({ box }) => Math.abs(Math.abs(box.top - here.top) - row) < 2)
    .sort((a, b) => near(a) - near(b))[0]?.button;
}

grid.addEventListener("keydown", (event) => {
  const buttons = [...grid.querySelectorAll(".picture")];
  const current = event.target.closest(".hit")?.querySelector(".picture");
  const place = buttons.indexOf(current);
  if (place < 0) return;
  const targets = {
    ArrowRight: () => buttons[place + 1],
    ArrowLeft: () => buttons[place - 1],
    ArrowDown: () => vertical(buttons, current, 1),
    ArrowUp: () => vertical(buttons, current, -1),
    Home: () => buttons[0],
    End: () => buttons.at(-1),
  };
  const target = targets[event.key]?.();
  if (!target) return;
  event.preventDefault();
  target.focus();
});

export const focusFirst = () => grid.querySelector(".picture")?.focus();
