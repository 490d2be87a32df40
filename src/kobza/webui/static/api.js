// The server's JSON. The message of each error that is thrown is a sentence for the visitor.
import { knows, t } from "./i18n.js";

const running = new Map(); // channel -> AbortController of its latest request

/**
 * GET api/`path`. Parameters that are "", null or undefined are left out.
 *
 * A request on a `channel` cancels the one before it there, which then fails with `isStale`.
 */
export function get(path, params = {}, channel = undefined) {
  const url = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(params))
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  return request(url, {}, channel);
}

/** POST to api/`path`: an object as JSON, or a FormData or Blob as it is. */
export function post(path, body, channel = undefined) {
  const isData = body instanceof FormData || body instanceof Blob;
  const options = isData ? { body } : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return request(new URL(`api/${path}`, document.baseURI), { method: "POST", ...options }, channel);
}

/** DELETE api/`path`. */
export function remove(path) {
  return request(new URL(`api/${path}`, document.baseURI), { method: "DELETE" });
}

/** Whether an error only says that a newer request took this one's place. */
export const isStale = (error) => error.name === "AbortError";

async function request(url, options, channel) {
  const abort = new AbortController();
  if (channel) {
    running.get(channel)?.abort();
    running.set(channel, abort);
  }
  let response;
  try {
    response = await fetch(url, { ...options, signal: abort.signal });
  } catch (error) {
    throw isStale(error) ? error : new Error(t("error.offline"));
  }
  if (!response.ok) throw new Error(await sentenceOf(response));
  const type = response.headers.get("Content-Type") ?? "";
  return type.includes("json") ? response.json() : response;
}

async function sentenceOf(response) {
  try {
    const { error, code, values } = await response.json();
    if (code && knows(`error.${code}`)) return t(`error.${code}`, values);
    if (error) return error;
  } catch {
    // not JSON: of a proxy in between
  }
  return t("error.status", { status: String(response.status) });
}
