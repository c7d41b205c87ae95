// What moves the page: searches and their answers, the address bar, the messages.

import { ProblemError, search } from "/page/client.js";
import { showFacets } from "/page/facets.js";
import { chooseGallery, gallery, onGallery } from "/page/galleries.js";
import { append, clear, focusFirst, showHits, showMisses, showSkeleton } from "/page/grid.js";
import { keep, onHistory } from "/page/history.js";
import { filterText, kind, onOptions, options, read, setFilter, write } from "/page/options.js";
import { onPicture } from "/page/picture.js";
import * as query from "/page/query.js";
import { showStart } from "/page/start.js";
import { forgetTalk, onTalk } from "/page/talk.js";
import { onUpload } from "/page/upload.js";
import { closeWhy, onLike, openWhy } from "/page/why.js";

const find = (id) => document.getElementById(id);
const [text, summary, more, help] = ["text", "summary", "more", "help"].map(find);

const PAGE = 24;
const MISSES = 8;
// A quick answer should replace the old hits, not flicker through a skeleton.
const PATIENCE_MS = 180;

let running = null; // the AbortController of the search under way
let current = null; // what was asked last, its answer, and how many hits are shown; none while a search is under way
const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;

function showMessage(title, detail) {
  find("message").hidden = !title;
  find("message-title").textContent = title;
  find("message-detail").textContent = detail;
  const isCode = detail.includes("\n"); // a mistake with a caret below it, which a phone may have to scroll to
  find("message-detail").classList.toggle("code", isCode);
  find("message-detail").tabIndex = isCode ? 0 : -1;
}

function addressOf(written) {
  const parameters = new URLSearchParams();
  if (gallery()) parameters.set("gallery", gallery());
  if (written) parameters.set("q", written);
  write(parameters);
  return parameters.size ? `?${parameters}` : location.pathname;
}

function remember(written, push) {
  const address = addressOf(written);
  if (push && address !== (location.search || location.pathname)) history.pushState(null, "", address);
  document.title = query.isEmpty() ? "Crosslight" : `${written || "A picture"} · Crosslight`;
  if (written) keep(query.describe().replace(/^for “([^”]*)”$/, "$1"), address);
}

function showResult(result) {
  const { hits, misses, notes, timings } = result;
  showMessage("", "");
  showHits(hits, actions);
  showMisses(misses.slice(0, MISSES), actions);
  showFacets(hits.length ? hits : misses, run);
  const lines = notes.map((note) => Object.assign(document.createElement("li"), { textContent: note }));
  find("notes").replaceChildren(...lines);
  more.hidden = !result.next_page;
  summary.textContent = `${plural(hits.length, "hit")} ${query.describe()} in ${Math.round(timings.total).toLocaleString()} ms`;
  if (result.no_match) showMessage("Nothing here matches", "Try other words, or add pictures to the gallery.");
  else if (!hits.length) showMessage("Nothing found", "Try other words, or add pictures to the gallery.");
}

function showNothing() {
  clear();
  showFacets([], run);
  more.hidden = true;
}

function backToStart() {
  query.set("");
  showNothing();
  summary.textContent = "";
  showMessage("", "");
  remember("", true);
}

// Takes over an answer, whoever asked for it: `sent` are the parts that went out beside what was typed.
function take(asked, chosen, result, push) {
  current = { asked, chosen, result, shown: result.hits.length, explained: new Map() };
  [...result.hits, ...result.misses].forEach(query.know);
  query.adopt(result.query, asked.parts);
  remember(result.query.written, push);
  showResult(result);
}

async function run({ push = true } = {}) {
  running?.abort();
  current = null;
  more.hidden = true;
  document.body.dataset.view = query.isEmpty() ? "start" : "results";
  if (query.isEmpty()) {
    backToStart();
    return;
  }
  const mine = new AbortController();
  running = mine;
  const [asked, chosen] = [query.asked(), { k: PAGE, ...options() }];
  find("grid").setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => {
    summary.textContent = "Searching…";
    showSkeleton();
  }, PATIENCE_MS);
  try {
    take(asked, chosen, await search(asked, chosen, mine.signal), push);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ProblemError)) throw error;
    showNothing();
    remember(asked.parts.length ? "" : asked.typed, push);
    summary.textContent = "The search failed";
    showMessage("That did not work", error.message);
  } finally {
    clearTimeout(waiting);
  }
}

// The same search, from a page of it on, with explanations where they are wanted.
const again = ({ asked, chosen }, page, explain) => search(asked, { ...chosen, ...(page ? { page } : {}), explain });

async function showMore() {
  const before = current;
  const page = before.result.next_page;
  more.disabled = true;
  try {
    const result = await again(before, page, false);
    if (current !== before) return; // something else was asked for meanwhile
    result.hits.forEach((hit) => Object.assign(hit, { page }));
    result.hits.forEach(query.know);
    current = { ...before, result, shown: before.shown + result.hits.length };
    append(result.hits, actions);
    more.hidden = !result.next_page;
    summary.textContent = `${plural(current.shown, "hit")} ${query.describe()}`;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (current === before) summary.textContent = error.message;
  } finally {
    more.disabled = false;
  }
}

const actions = {
  why(hit) {
    if (!current) return; // its answer is about to be replaced
    const of = current;
    const { explained, result } = of;
    openWhy(hit, result, async () => {
      if (!explained.has(hit.page)) explained.set(hit.page, again(of, hit.page, true));
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

function askFor(words) {
  query.set(words);
  run();
}

const start = () => showStart(askFor, actions.like);

function fromAddress() {
  const parameters = new URLSearchParams(location.search);
  closeWhy();
  chooseGallery(parameters.get("gallery"));
  read(parameters);
  const like = parameters.get("like"); // as addresses of earlier versions have it
  query.set(parameters.get("q") ?? (like ? `like:${like}` : ""));
  run({ push: false });
}

find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
more.addEventListener("click", showMore);
text.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown") return;
  event.preventDefault();
  focusFirst();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { "/": () => (text.focus(), text.select()), "?": () => help.showModal() }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
find("help-open").addEventListener("click", () => help.showModal());
find("help-close").addEventListener("click", () => help.close());
help.addEventListener("click", (event) => event.target === help && help.close());
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
onOptions(run);
onLike(actions);
onHistory((address) => {
  history.pushState(null, "", address);
  fromAddress();
});
onGallery(() => {
  setFilter(""); // another gallery has other columns, and other items
  query.set(query.plainWords());
  query.forget();
  forgetTalk();
  start();
  run();
});
onUpload(() => {
  start();
  if (!query.isEmpty()) run({ push: false });
});
onTalk(
  () => ({ written: current?.result.query.written, filter: filterText(), kind: kind() === "text" ? "text" : null, options: options() }),
  ({ result, session }) => {
    running?.abort();
    setFilter(session.filter ?? "");
    document.body.dataset.view = result ? "results" : "start";
    if (!result) return backToStart();
    const asked = { typed: result.query.written ?? "", parts: [], phrases: [] };
    return take(asked, { k: PAGE, ...options() }, result, true);
  },
);
fromAddress();
start();
