// The page's state and what moves it: the query, the address bar, the switches, the messages.

import { ProblemError, info, item, nameOf, search, thumbnailUrl } from "/page/client.js";
import { clear, focusFirst, showHits, showSkeleton } from "/page/grid.js";
import { onPicture } from "/page/picture.js";
import { onLike, openWhy } from "/page/why.js";

const find = (id) => document.getElementById(id);
const [text, rerank, scores, summary, more] = ["text", "rerank", "scores", "summary", "more"].map(find);

const kinds = document.getElementsByName("kind");

const PAGE = 24;
// A quick answer should replace the old hits, not flicker through a skeleton.
const PATIENCE_MS = 180;
const EXAMPLES = ["a cat", "a cup of coffee", "someone smiling", "two dogs playing", "a boat on the water"];

const query = { text: "", file: null, like: null, kind: null };
let k = PAGE;
let running = null; // the AbortController of the search under way
let explained = null; // the promise of the same search with explanations

const isEmpty = () => !query.text && !query.file && !query.like;
const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;

function describe() {
  const picture = query.like ? ` like ${nameOf(query.like)}` : query.file ? " like your picture" : "";
  return `${query.text ? ` for “${query.text}”` : ""}${picture}`;
}

function showMessage(title, detail) {
  find("message").hidden = !title;
  find("message-title").textContent = title;
  find("message-detail").textContent = detail;
}

function showChip() {
  const picture = find("chip-picture");
  if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
  const given = query.file ?? query.like;
  find("chip").hidden = !given;
  text.placeholder = given ? "Add words, if you like" : "Describe a picture, or drop one here";
  if (!given) {
    picture.removeAttribute("src");
    return;
  }
  const isText = query.like?.kind === "text";
  picture.hidden = isText;
  if (query.file) picture.src = URL.createObjectURL(query.file);
  else if (!isText) picture.src = thumbnailUrl(query.like.id, 160);
  find("chip-label").textContent = query.file ? query.file.name || "Picture" : `Like ${nameOf(query.like)}`;
}

function remember(push) {
  const parameters = new URLSearchParams();
  if (query.text) parameters.set("q", query.text);
  if (query.like) parameters.set("like", query.like.id);
  if (query.kind === "text") parameters.set("kind", "text");
  if (!rerank.checked) parameters.set("rerank", "0");
  const address = parameters.size ? `?${parameters}` : location.pathname;
  if (push && address !== (location.search || location.pathname)) history.pushState(null, "", address);
  document.title = isEmpty() ? "Crosslight" : `${query.text || "A picture"} · Crosslight`;
}

function showResult(result) {
  showMessage("", "");
  showHits(result.hits, { why, like });
  find("notes").replaceChildren(
    ...result.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  const took = Math.round(result.timings.total);
  summary.textContent = `${plural(result.hits.length, "hit")}${describe()} in ${took.toLocaleString()} ms`;
  more.hidden = result.hits.length < k;
  if (!result.hits.length) showMessage("Nothing found", "Try other words, or add pictures to the gallery.");
}

async function run({ push = true, keep = false } = {}) {
  running?.abort();
  explained = null;
  if (!keep) k = PAGE;
  showChip();
  remember(push);
  document.body.dataset.view = isEmpty() ? "start" : "results";
  summary.textContent = "";
  if (isEmpty()) {
    clear();
    showMessage("", "");
    more.hidden = true;
    return;
  }
  const mine = new AbortController();
  running = mine;
  find("grid").setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => {
    summary.textContent = "Searching…";
    if (!keep) showSkeleton();
  }, PATIENCE_MS);
  try {
    showResult(await search(query, { k, rerank: rerank.checked, signal: mine.signal }));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ProblemError)) throw error;
    clear();
    more.hidden = true;
    summary.textContent = "The search failed";
    showMessage("That did not work", error.message);
  } finally {
    clearTimeout(waiting);
  }
}

function why(hit) {
  openWhy(hit, async () => {
    explained ??= search(query, { k, rerank: rerank.checked, explain: true });
    try {
      const { hits } = await explained;
      return hits.find(({ id }) => id === hit.id)?.explanation ?? null;
    } catch (error) {
      explained = null; // so that the next try asks again
      throw error;
    }
  });
}

function like(hit) {
  Object.assign(query, { text: "", file: null, like: hit });
  text.value = "";
  run();
  scrollTo({ top: 0 });
}

function take(file) {
  Object.assign(query, { file, like: null });
  query.text = text.value.trim();
  run();
}

async function fromAddress() {
  const parameters = new URLSearchParams(location.search);
  text.value = parameters.get("q") ?? "";
  rerank.checked = parameters.get("rerank") !== "0";
  const kind = parameters.get("kind") === "text" ? "text" : null;
  Object.assign(query, { text: text.value.trim(), file: null, like: null, kind });
  kinds.forEach((radio) => (radio.checked = radio.value === (kind ?? "image")));
  const wanted = Number(parameters.get("like"));
  try {
    if (wanted) query.like = await item(wanted);
  } catch (error) {
    showMessage("That did not work", error.message);
    document.body.dataset.view = "results";
    return;
  }
  run({ push: false });
}

async function showStart() {
  find("examples").replaceChildren(
    ...EXAMPLES.map((example) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: example });
      button.className = "quiet";
      button.addEventListener("click", () => {
        text.value = example;
        find("search").requestSubmit();
      });
      return button;
    }),
  );
  const { pictures, texts, items } = await info();
  const held = [pictures && plural(pictures, "picture"), texts && plural(texts, "text")].filter(Boolean);
  find("about").textContent = items
    ? `${held.join(" and ")}, ready to search.`
    : "This gallery is empty. Fill it with: crosslight index FOLDER";
  find("examples").hidden = !items;
  find("kinds").hidden = !(pictures && texts);
  if (pictures) await showGlimpse();
}

async function showGlimpse() {
  const { hits } = await search({ text: "a photograph" }, { k: 16, rerank: false });
  const buttons = hits
    .filter(({ kind }) => kind === "image")
    .map((hit) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const picture = new Image(hit.metadata.width, hit.metadata.height);
      picture.src = thumbnailUrl(hit.id, 320);
      picture.alt = nameOf(hit);
      button.style.setProperty("--ratio", hit.metadata.width / hit.metadata.height);
      button.setAttribute("aria-label", `More like ${nameOf(hit)}`);
      button.append(picture);
      button.addEventListener("click", () => like(hit));
      return button;
    });
  find("glimpse").replaceChildren(...buttons);
  find("glimpse-box").hidden = !buttons.length;
}

find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  query.text = text.value.trim();
  run();
});
find("chip-remove").addEventListener("click", () => {
  Object.assign(query, { file: null, like: null });
  text.focus();
  run();
});
more.addEventListener("click", () => {
  k += PAGE;
  run({ keep: true });
});
kinds.forEach((radio) =>
  radio.addEventListener("change", () => {
    query.kind = radio.value;
    run();
  }),
);
rerank.addEventListener("change", () => run({ keep: true }));
scores.addEventListener("change", () => document.body.classList.toggle("with-scores", scores.checked));
text.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown") return;
  event.preventDefault();
  focusFirst();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), dialog[open]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  text.focus();
  text.select();
});
window.addEventListener("popstate", fromAddress);
onPicture(take, (reason) => {
  document.body.dataset.view = "results";
  showMessage("That did not work", reason);
});
onLike(like);
fromAddress();
showStart().catch((error) => {
  find("about").textContent = error.message;
});
