// What moves the page: searches and their answers, the switches, the address bar, the messages.

import { ProblemError, info, nameOf, search, thumbnailUrl } from "/page/client.js";
import { append, clear, focusFirst, showHits, showMisses, showSkeleton } from "/page/grid.js";
import { onPicture } from "/page/picture.js";
import * as query from "/page/query.js";
import { onLike, openWhy } from "/page/why.js";

const find = (id) => document.getElementById(id);
const [text, scores, summary, more] = ["text", "scores", "summary", "more"].map(find);
const kinds = document.getElementsByName("kind");

const PAGE = 24;
const MISSES = 8;
// A quick answer should replace the old hits, not flicker through a skeleton.
const PATIENCE_MS = 180;
const EXAMPLES = ["a cat", "a cup of coffee", "someone smiling", "two dogs playing", "a boat on the water"];

// A switch, its name in the address, and what the address holds when it is not as it usually is.
const SWITCHES = [
  { box: find("rerank"), name: "rerank", usual: true, other: "0", value: (on) => on },
  { box: find("group"), name: "group", usual: false, other: "1", value: (on) => on },
  { box: find("diversity"), name: "diversity", usual: false, other: "0.5", value: (on) => (on ? 0.5 : 0) },
];

let running = null; // the AbortController of the search under way
let current = null; // what was asked last, its answer, and how many hits are shown
const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
const kind = () => [...kinds].find(({ checked }) => checked)?.value;
const options = () => ({
  k: PAGE,
  ...(kind() === "text" ? { kind: "text" } : {}),
  ...Object.fromEntries(SWITCHES.map(({ box, name, value }) => [name, value(box.checked)])),
});

function showMessage(title, detail) {
  find("message").hidden = !title;
  find("message-title").textContent = title;
  find("message-detail").textContent = detail;
  const isCode = detail.includes("\n"); // a mistake with a caret below it, which a phone may have to scroll to
  find("message-detail").classList.toggle("code", isCode);
  find("message-detail").tabIndex = isCode ? 0 : -1;
}

function remember(written, push) {
  const parameters = new URLSearchParams();
  if (written) parameters.set("q", written);
  if (kind() === "text") parameters.set("kind", "text");
  for (const { box, name, usual, other } of SWITCHES) if (box.checked !== usual) parameters.set(name, other);
  const address = parameters.size ? `?${parameters}` : location.pathname;
  if (push && address !== (location.search || location.pathname)) history.pushState(null, "", address);
  document.title = query.isEmpty() ? "Crosslight" : `${written || "A picture"} · Crosslight`;
}

function showResult(result) {
  const { hits, misses, notes, timings } = result;
  showMessage("", "");
  showHits(hits, actions);
  showMisses(misses.slice(0, MISSES), actions);
  const lines = notes.map((note) => Object.assign(document.createElement("li"), { textContent: note }));
  find("notes").replaceChildren(...lines);
  more.hidden = !result.next_page;
  summary.textContent = `${plural(hits.length, "hit")} ${query.describe()} in ${Math.round(timings.total).toLocaleString()} ms`;
  if (result.no_match) showMessage("Nothing here matches", "Try other words, or add pictures to the gallery.");
  else if (!hits.length) showMessage("Nothing found", "Try other words, or add pictures to the gallery.");
}

function showStartView() {
  clear();
  summary.textContent = "";
  showMessage("", "");
  more.hidden = true;
  remember("", true);
}

async function run({ push = true } = {}) {
  running?.abort();
  current = null;
  document.body.dataset.view = query.isEmpty() ? "start" : "results";
  if (query.isEmpty()) {
    query.set("");
    showStartView();
    return;
  }
  const mine = new AbortController();
  running = mine;
  const [asked, chosen] = [query.asked(), options()];
  find("grid").setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => {
    summary.textContent = "Searching…";
    showSkeleton();
  }, PATIENCE_MS);
  try {
    const result = await search(asked, chosen, mine.signal);
    current = { asked, chosen, result, shown: result.hits.length, explained: new Map() };
    result.hits.forEach(query.know);
    query.adopt(result.query, asked.parts);
    remember(result.query.written, push);
    showResult(result);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ProblemError)) throw error;
    clear();
    more.hidden = true;
    remember(asked.parts.length ? "" : asked.typed, push);
    summary.textContent = "The search failed";
    showMessage("That did not work", error.message);
  } finally {
    clearTimeout(waiting);
  }
}

// The same search, from a page of it on, with explanations where they are wanted.
const again = (page, explain) => search(current.asked, { ...current.chosen, ...(page ? { page } : {}), explain });

async function showMore() {
  const page = current.result.next_page;
  more.disabled = true;
  try {
    const result = await again(page, false);
    result.hits.forEach((hit) => Object.assign(hit, { page }));
    result.hits.forEach(query.know);
    current = { ...current, result, shown: current.shown + result.hits.length };
    append(result.hits, actions);
    more.hidden = !result.next_page;
    summary.textContent = `${plural(current.shown, "hit")} ${query.describe()}`;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    summary.textContent = error.message;
  } finally {
    more.disabled = false;
  }
}

const actions = {
  why(hit) {
    const { explained, result } = current;
    openWhy(hit, result, async () => {
      if (!explained.has(hit.page)) explained.set(hit.page, again(hit.page, true));
      try {
        const answer = await explained.get(hit.page);
        const found = [...answer.hits, ...answer.misses].find(({ id }) => id === hit.id);
        return { explanation: found?.explanation ?? null, result: answer };
      } catch (error) {
        explained.delete(hit.page); // so that the next try asks again
        throw error;
      }
    });
  },
  like(hit, region) {
    query.know(hit);
    query.set("", { like: hit.id, region });
    run();
    scrollTo({ top: 0 });
  },
  add(hit, region) {
    query.know(hit);
    query.add({ like: hit.id, region });
    run();
    scrollTo({ top: 0 });
  },
};

function fromAddress() {
  const parameters = new URLSearchParams(location.search);
  for (const { box, name, usual } of SWITCHES) box.checked = parameters.has(name) ? !usual : usual;
  const wanted = parameters.get("kind") === "text" ? "text" : "image";
  kinds.forEach((radio) => (radio.checked = radio.value === wanted));
  const like = parameters.get("like"); // as addresses of earlier versions have it
  query.set(parameters.get("q") ?? (like ? `like:${like}` : ""));
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
  const { hits } = await search({ typed: "a photograph", parts: [], phrases: [] }, { k: 16, rerank: false });
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
      button.addEventListener("click", () => actions.like(hit));
      return button;
    });
  find("glimpse").replaceChildren(...buttons);
  find("glimpse-box").hidden = !buttons.length;
}

find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
more.addEventListener("click", showMore);
kinds.forEach((radio) => radio.addEventListener("change", () => run()));
SWITCHES.forEach(({ box }) => box.addEventListener("change", () => run()));
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
onPicture(
  (file) => {
    query.add({ file });
    run();
  },
  (reason) => {
    document.body.dataset.view = "results";
    showMessage("That did not work", reason);
  },
);
query.onChange(run);
onLike(actions);
fromAddress();
showStart().catch((error) => {
  find("about").textContent = error.message;
});
