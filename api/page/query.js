// The query as the reader builds it: chips for its parts, and the same query as text.

import { item, nameOf, thumbnailUrl } from "/page/client.js";

const find = (id) => document.getElementById(id);
const [box, list, written] = ["text", "chips", "written"].map(find);
const template = find("part");

const LONGEST = 40; // characters of a name

// A part is { text | like | file | phrase, weight, region }; what is typed and not yet read is in the box.
let parts = [];
const items = new Map(); // what is known of the items named, by id

const picture = (part) => part.file || part.like !== undefined;
const plain = (part) => part.text !== undefined && part.weight === 1;

export const isEmpty = () => !parts.length && !box.value.trim();
export const asked = () => ({ typed: box.value.trim(), parts: parts.filter((part) => !part.phrase), phrases: parts.flatMap((part) => part.phrase ?? []) });

// What is asked for in words alone; items and boxes are of one gallery.
export const plainWords = () => (parts.length ? (parts.find((part) => part.text && part.weight > 0)?.text ?? "") : box.value.trim());

export const forget = () => items.clear();

export function know(hit) {
  items.set(hit.id, hit);
}

const short = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1).trimEnd()}…` : name);

// The name of a part that people read and hear; captions can be long.
function label(part) {
  if (part.phrase) return `“${part.phrase}” word for word`;
  if (part.text !== undefined) return part.text;
  const whole = part.file ? part.file.name || "Your picture" : nameOf(items.get(part.like) ?? { uri: typeof part.like === "number" ? "an item" : part.like });
  return part.region ? `Part of ${short(whole)}` : short(whole);
}

export function describe() {
  const added = parts.filter((part) => part.weight > 0 && !part.phrase);
  const words = parts.length ? added.filter((part) => part.text).map((part) => part.text) : [box.value.trim()];
  const like = added.filter(picture).map((part) => (part.file ? "your picture" : label(part)));
  const less = parts.filter((part) => part.weight < 0).map((part) => (part.text ? `“${part.text}”` : label(part)));
  const said = [words[0] && `for “${words.join("” and “")}”`, like.length && `like ${like.join(" and ")}`, less.length && `less ${less.join(" and ")}`];
  return said.filter(Boolean).join(" ");
}

// Takes over how the service understood the query; `sent` are the parts that went out, the last ones there.
export function adopt(query, sent) {
  const typed = query.parts.length - sent.length;
  const read = query.parts.map((part, place) => {
    const mine = sent[place - typed];
    return { ...part, file: mine?.file };
  });
  const phrases = query.phrases.map((phrase) => ({ phrase, weight: 1 }));
  const words = read.length === 1 && plain(read[0]) && query.written !== null;
  parts = words ? [] : [...read, ...phrases];
  box.value = words ? query.written : "";
  written.value = query.written ?? "";
  find("as-text").hidden = query.written === null;
  showParts();
}

export function add(part) {
  parts.push({ weight: 1, ...part });
}

export function set(words, ...given) {
  box.value = words;
  parts = given.map((part) => ({ weight: 1, ...part }));
  if (!given.length) showParts();
}

function thumbnail(part) {
  const image = document.createElement("span");
  image.className = "thumb";
  const known = items.get(part.like);
  if (known?.kind === "text") return null;
  if (!part.file && typeof part.like !== "number") return null;
  const source = part.file ? URL.createObjectURL(part.file) : thumbnailUrl(part.like, part.region ? 640 : 160);
  image.style.backgroundImage = `url("${source}")`;
  if (part.region && Math.max(...part.region) <= 1) {
    const [x, y, width, height] = part.region;
    const at = (start, size) => (size < 1 ? (start / (1 - size)) * 100 : 0);
    image.style.backgroundSize = `${100 / width}% ${100 / height}%`;
    image.style.backgroundPosition = `${at(x, width)}% ${at(y, height)}%`;
  }
  return image;
}

function chip(part, change) {
  const node = template.content.firstElementChild.cloneNode(true);
  const [sign, name, weight, remove] = ["sign", "name-of", "weight", "remove"].map((of) => node.querySelector(`.${of}`));
  const said = label(part);
  node.classList.toggle("less", part.weight < 0);
  name.textContent = said;
  name.title = said;
  const image = picture(part) && thumbnail(part);
  if (image) name.prepend(image);
  sign.textContent = part.weight < 0 ? "−" : "+";
  sign.setAttribute("aria-pressed", String(part.weight < 0));
  sign.setAttribute("aria-label", `Take away: ${said}`);
  weight.value = Math.abs(part.weight);
  weight.setAttribute("aria-label", `Weight of ${said}`);
  sign.hidden = weight.parentElement.hidden = Boolean(part.phrase);
  remove.setAttribute("aria-label", `Remove from the query: ${said}`);
  sign.addEventListener("click", () => change(part, () => (part.weight = -part.weight)));
  weight.addEventListener("change", () => {
    if (weight.checkValidity() && Number(weight.value)) change(part, () => (part.weight = Math.sign(part.weight) * Number(weight.value)));
    else weight.value = Math.abs(part.weight);
  });
  remove.addEventListener("click", () => change(part, () => parts.splice(parts.indexOf(part), 1)));
  if (typeof part.like === "number" && !items.has(part.like)) learn(part.like);
  return node;
}

// An item that came by the address is known by its id alone; its name follows.
async function learn(id) {
  items.set(id, { id, uri: "an item" });
  try {
    items.set(id, await item(id));
    showParts();
  } catch {
    // The search itself says that the item is gone.
  }
}

let changed = () => {};

function showParts() {
  find("sum").hidden = !parts.length;
  box.placeholder = parts.length ? "Add words, or drop a picture" : "Describe a picture, or drop one here";
  const place = [...list.children].findIndex((node) => node.contains(document.activeElement));
  const held = place < 0 ? "" : document.activeElement.classList[0];
  list.replaceChildren(
    ...parts.map((part) =>
      chip(part, (_, edit) => {
        edit();
        changed();
      }),
    ),
  );
  if (held) (list.children[place]?.querySelector(`.${held}`) ?? box).focus();
}

export function onChange(run) {
  changed = run;
  find("as-text").addEventListener("submit", (event) => {
    event.preventDefault();
    set(written.value.trim());
    run();
  });
}
