// Adding pictures to the gallery: several files, a few at a time, with what has been sent and what became of each.

import { key, route } from "/page/client.js";
import { denied, mayAdd, openSignIn } from "/page/signin.js";

const find = (id) => document.getElementById(id);
const [dialog, input, bar, status, failures] = ["upload", "upload-files", "upload-bar", "upload-status", "upload-failures"].map(find);

// The service takes bodies up to a limit, and each answer is a step of the progress.
const MOST_BYTES = 12_000_000;
const MOST_FILES = 8;

let busy = false; // while files are being sent

function batches(files) {
  const all = [[]];
  let bytes = 0;
  for (const file of files) {
    const last = all.at(-1);
    if (last.length && (last.length === MOST_FILES || bytes + file.size > MOST_BYTES)) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1).push(file);
    bytes += file.size;
  }
  return all;
}

// fetch does not tell how much has been sent, so this is the older way.
function send(files, sent) {
  const form = new FormData();
  for (const file of files) form.append("files", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", route("items"));
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded }) => sent(loaded));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(request.response);
      else if (request.status === 401) resolve(key().then(() => send(files, sent)));
      else reject(new Error(request.response?.detail ?? `The service answered ${request.status}`));
    });
    request.addEventListener("error", () => reject(new Error("The service cannot be reached. Is it still running?")));
    request.send(form);
  });
}

function failed(name, reason) {
  const line = document.createElement("li");
  line.append(Object.assign(document.createElement("b"), { textContent: name }), `: ${reason}`);
  failures.append(line);
}

const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;

async function upload(files) {
  const counts = { added: 0, updated: 0, unchanged: 0, failed: 0 };
  const total = files.reduce((sum, { size }) => sum + size, 0) || 1;
  let before = 0;
  failures.replaceChildren();
  bar.hidden = false;
  input.disabled = busy = true;
  for (const batch of batches(files)) {
    const bytes = batch.reduce((sum, { size }) => sum + size, 0);
    status.textContent = `Sending, ${plural(files.length, "picture")} in all…`;
    try {
      const reply = await send(batch, (loaded) => (bar.value = Math.min(1, (before + Math.min(loaded, bytes)) / total)));
      for (const name of Object.keys(counts)) counts[name] += reply[name];
      for (const { status: became, name, uri, reason } of reply.items) if (became === "failed") failed(name ?? uri, reason);
    } catch (error) {
      counts.failed += batch.length;
      failed(plural(batch.length, "file"), error.message);
    }
    before += bytes;
    bar.value = before / total;
  }
  const told = [
    `${plural(counts.added, "picture")} added`,
    counts.updated && `${counts.updated} replaced`,
    counts.unchanged && `${counts.unchanged} there already`,
    counts.failed && `${counts.failed} not added`,
  ];
  status.textContent = `${told.filter(Boolean).join(", ")}.`;
  input.disabled = busy = false;
  input.value = "";
  return counts.added + counts.updated;
}

// `changed` is told when the gallery has got something new.
export function onUpload(changed) {
  find("add-pictures").addEventListener("click", () => {
    failures.replaceChildren();
    status.textContent = "";
    bar.hidden = true;
    find("upload-denied").hidden = mayAdd();
    find("upload-denied-told").textContent = denied();
    input.disabled = !mayAdd();
    dialog.showModal();
  });
  find("upload-key").addEventListener("click", openSignIn);
  find("upload-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && !busy && dialog.close());
  dialog.addEventListener("cancel", (event) => busy && event.preventDefault());
  input.addEventListener("change", async () => {
    if (input.files.length && (await upload([...input.files]))) changed();
  });
}
