// The page's only way to the service: searches, the galleries and their figures, addresses of pictures.

// What the service refuses, in its own words; `kind` is the name of the problem.
export class ProblemError extends Error {
  constructor(message, kind) {
    super(message);
    this.kind = kind;
  }
}

export const SIGN_IN = "/v1/sign-in";
let keyNeeded; // gives a promise of a key, which the browser sends along from then on
let base = "/v1/"; // the routes of the gallery that is looked at; the first one by default

export const route = (path) => base + path;
export const useGallery = (name) => (base = name ? `/v1/galleries/${encodeURIComponent(name)}/` : "/v1/");
export const galleries = async () => (await ask("/v1/galleries")).galleries;

export const onKeyNeeded = (act) => (keyNeeded = act);
export const key = () => keyNeeded();

// The document of an answer; of one that is no document, null.
async function read(response) {
  try {
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof SyntaxError && !response.ok) return null; // a proxy's page, say
    throw error;
  }
}

export async function ask(path, options) {
  let response, document;
  try {
    response = await fetch(path, options);
    document = await read(response);
  } catch (error) {
    if (error.name === "AbortError") throw error; // which may come when half of the answer is here
    throw new ProblemError("The service cannot be reached. Is it still running?");
  }
  if (response.status === 401 && path !== SIGN_IN) {
    await key();
    return ask(path, options);
  }
  if (!response.ok) throw new ProblemError(document?.detail ?? `The service answered ${response.status}`, document?.type);
  return document;
}

const encoded = new WeakMap(); // the readers' own pictures in base64, read once each

function base64(file) {
  if (!encoded.has(file)) {
    const reading = new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => resolve(reader.result.split(",")[1] ?? ""));
      reader.addEventListener("error", () => reject(new ProblemError("The picture cannot be read from your disk.")));
      reader.readAsDataURL(file);
    });
    encoded.set(file, reading);
  }
  return encoded.get(file);
}

async function sent({ text, like, file, weight, region }) {
  const thing = file ? { image: await base64(file) } : text === undefined ? { like } : { text };
  return { ...thing, weight, ...(region ? { region } : {}) };
}

// `asked` has what was typed, the parts beside it, and phrases; `options` are the service's own.
export async function search({ typed, parts, phrases }, options, signal) {
  const fields = { ...options, parts: await Promise.all(parts.map(sent)), phrases };
  if (typed) fields.query = typed;
  return send("POST", route("search"), fields, signal);
}

export function send(method, path, fields, signal) {
  const headers = { "content-type": "application/json" };
  return ask(path, { method, headers, body: JSON.stringify(fields), signal });
}

export const info = () => ask(route("info"));
export const item = (id) => ask(route(`items/${id}`));
export const imageUrl = (id) => route(`items/${id}/image`);
export const thumbnailUrl = (id, size) => route(`items/${id}/thumbnail?size=${size}`);
export const heatMapUrl = (id, query, word) => route(`items/${id}/heat-map?${new URLSearchParams({ query, ...(word ? { word } : {}) })}`);

// What a picture shows, for who does not see it: people's words, else a machine's, said to be so.
export function altOf(hit) {
  return !hit.text && hit.generated ? `${hit.generated} (written by a machine)` : nameOf(hit);
}

// What a person would call the item: its caption, the name it came with, or its file name.
export function nameOf(hit) {
  if (hit.text) return hit.text;
  if (hit.metadata?.name) return String(hit.metadata.name);
  const last = hit.uri.split("/").pop() || hit.uri;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
