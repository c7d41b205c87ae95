// A conversation: each utterance changes the query, and each turn says what was understood.

import { ProblemError, ask, route, send } from "/page/client.js";

const find = (id) => document.getElementById(id);
const [panel, log, form, box, undo, opener] = ["talk", "talk-log", "talk-form", "talk-text", "talk-undo", "talk-open"].map(find);

const PAGE = 24;

let session = null; // as the service has it
let shown = () => ({}); // what the page asks at the moment: { written, filter, kind, options }
let show = () => {};

function line(kind, text) {
  const node = Object.assign(document.createElement("p"), { className: kind, textContent: text });
  log.append(node);
  node.scrollIntoView({ block: "nearest" });
}

const path = (rest = "") => route(`sessions/${encodeURIComponent(session.id)}${rest}`);

// What was changed by hand since the last turn is part of the conversation too.
async function catchUp() {
  const { written, filter, kind } = shown();
  session ??= await send("POST", route("sessions"), {});
  const same = (session.query?.written ?? "") === (written ?? "") && (session.filter ?? "") === filter;
  if (!written || same) return;
  ({ session } = await send("PUT", path("/query"), { query: written, filter: filter || null, kind: kind ?? null }));
}

function takeTurn(turn) {
  session = turn.session;
  undo.disabled = !session.can_undo;
  turn.understood.forEach((text) => line("understood", text));
  turn.notes.forEach((text) => line("note", text));
  show(turn);
}

async function turn(act) {
  box.disabled = undo.disabled = true;
  try {
    takeTurn(await act());
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (/session/.test(error.kind ?? "")) session = null; // it has ended; the next turn begins another
    line("problem", error.message);
  } finally {
    box.disabled = false;
    undo.disabled = !session?.can_undo;
    box.focus();
  }
}

const options = () => {
  const { rerank, group, diversity } = shown().options;
  return { k: PAGE, rerank: Boolean(rerank), group, diversity };
};

function say(text) {
  line("said", text);
  box.value = "";
  return turn(async () => {
    await catchUp();
    return send("POST", path("/say"), { text, ...options() });
  });
}

function open(wanted) {
  panel.hidden = !wanted;
  document.body.classList.toggle("talking", wanted);
  opener.setAttribute("aria-expanded", String(wanted));
  (wanted ? box : opener).focus();
}

export function forgetTalk() {
  if (session) ask(path(), { method: "DELETE" }).catch(() => {});
  session = null;
  log.replaceChildren();
  undo.disabled = true;
}

// `now` tells what the page asks at the moment, `take` shows the answer of a turn.
export function onTalk(now, take) {
  shown = now;
  show = take;
  opener.addEventListener("click", () => open(panel.hidden));
  find("talk-close").addEventListener("click", () => open(false));
  find("talk-new").addEventListener("click", () => {
    forgetTalk();
    box.focus();
  });
  undo.addEventListener("click", () => {
    line("said", "undo");
    turn(() => send("POST", path("/undo"), options()));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) say(box.value.trim());
  });
  panel.addEventListener("keydown", ({ key }) => key === "Escape" && open(false));
}
