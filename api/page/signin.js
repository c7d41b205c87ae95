// Signing in: the service is told an API key once, and the browser keeps it where no script can read it.

import { ProblemError, SIGN_IN, ask, onKeyNeeded, send } from "/page/client.js";

const find = (id) => document.getElementById(id);
const [dialog, form, field, problem, opener, leave] = ["sign-in", "sign-in-form", "sign-in-key", "sign-in-problem", "sign-in-open", "sign-out"].map(find);

let signed = { needed: false, name: null, scopes: [] };
let waiting = null; // what requests without a key wait for: { promise, resolve, reject }

export const mayAdd = () => !signed.needed || signed.scopes.some((scope) => scope !== "read");

// What the key may not do, in a sentence; empty where it may do all that this page offers.
export const denied = () =>
  mayAdd() || !signed.name ? "" : `The key “${signed.name}” may search and look. Adding pictures needs a key with the scope “write”.`;

function take(reply) {
  signed = reply;
  opener.hidden = !signed.needed;
  const label = signed.name ? `Signed in with the key “${signed.name}”` : "Sign in with a key";
  opener.setAttribute("aria-label", label);
  opener.title = label;
}

export function openSignIn() {
  find("sign-in-told").textContent = signed.name
    ? denied() || `You are signed in with the key “${signed.name}”, which may search, look, add and remove.`
    : "This service asks for an API key.";
  find("sign-in-label").textContent = signed.name ? "Another key" : "API key";
  problem.textContent = field.value = "";
  leave.hidden = !signed.name;
  if (!dialog.open) dialog.showModal();
}

// However many requests are refused, one key is asked for, and all go on when it is there.
onKeyNeeded(() => {
  if (!waiting) {
    waiting = {};
    waiting.promise = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    take({ needed: true, name: null, scopes: [] });
    openSignIn();
  }
  return waiting.promise;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    await send("POST", SIGN_IN, { key: field.value.trim() });
    take(await ask(SIGN_IN));
    if (!signed.name) throw new ProblemError("The key is right, but this browser does not keep it: allow cookies for this page.");
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    problem.textContent = error.message;
    field.select();
    return;
  }
  if (!waiting) return location.reload(); // what is shown was another key's, or nobody's
  waiting.resolve();
  waiting = null;
  dialog.close();
});
dialog.addEventListener("close", () => {
  waiting?.reject(new ProblemError("This service asks for an API key; sign in with the key at the top."));
  waiting = null;
});
opener.addEventListener("click", openSignIn);
find("sign-in-close").addEventListener("click", () => dialog.close());
leave.addEventListener("click", async () => {
  try {
    await ask(SIGN_IN, { method: "DELETE" });
    location.assign("/");
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    problem.textContent = error.message;
  }
});
ask(SIGN_IN).then(take, () => {}); // what is wrong is said where the gallery's figures are asked for
