// A playlist as a file that the browser saves.
import { post } from "./api.js";
import { el } from "./dom.js";

const KEPT_MS = 60_000; // the file, for a browser that asks where to put it

/** Save the tracks of these links as an M3U8 file. -> its name */
export async function savePlaylist(links, name) {
  const response = await post("playlist", { links, name });
  const address = URL.createObjectURL(await response.blob());
  const file = `${name.trim().replace(/[\\/:*?"<>|]/g, "_") || "Kobza"}.m3u8`;
  el("a", { href: address, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
  return file;
}
