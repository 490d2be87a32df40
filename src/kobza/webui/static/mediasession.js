// The player under the keys of keyboards and headphones, and on lock screens: the browser's Media Session.
import { player } from "./player.js";

const JUMP = 10; // seconds
const session = navigator.mediaSession;
const ACTIONS = {
  play: () => player.toggle(),
  pause: () => player.pause(),
  stop: () => player.stop(),
  previoustrack: () => player.previous(),
  nexttrack: () => player.next(),
  seekbackward: ({ seekOffset }) => player.seek(player.position - (seekOffset || JUMP)),
  seekforward: ({ seekOffset }) => player.seek(player.position + (seekOffset || JUMP)),
  seekto: ({ seekTime }) => player.seek(seekTime),
};
let shown = null;

/** Tell the browser what plays, and listen to its keys. */
export function joinMediaSession() {
  if (!session) return;
  for (const [action, handler] of Object.entries(ACTIONS)) {
    try {
      session.setActionHandler(action, handler);
    } catch {
      // A browser without this action
    }
  }
  player.subscribe(refresh);
}

function refresh() {
  const { current, duration, position } = player;
  if (current !== shown) {
    shown = current;
    const { title, artist, album } = current?.track ?? {};
    session.metadata = current && new MediaMetadata({ title, artist: artist || "", album: album || "" });
  }
  session.playbackState = !current ? "none" : player.playing ? "playing" : "paused";
  if (duration > 0) session.setPositionState?.({ duration, position: Math.min(position, duration), playbackRate: 1 });
}
