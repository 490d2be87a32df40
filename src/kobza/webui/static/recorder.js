// The microphone, as a recording that the server can read.
import { t } from "./i18n.js";

export const MAX_SECONDS = 180; // the server listens to no more
// Music is not speech: nothing is filtered out of it.
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const REASONS = { NotAllowedError: "microphone.denied", NotFoundError: "microphone.none", NotReadableError: "microphone.busy" };

/**
 * Record until `stop()` or for `MAX_SECONDS`. `sound` is a promise of the recording, a Blob; `tick(seconds)` is called
 * each second. An Error, whose message is for the visitor: there is no microphone, or it may not be used.
 */
export async function startRecording(tick) {
  // Browsers hide the microphone from pages that come over a network without encryption.
  if (!navigator.mediaDevices?.getUserMedia || !("MediaRecorder" in window)) throw new Error(t("microphone.insecure"));
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
  } catch (error) {
    throw new Error(t(REASONS[error.name] ?? "microphone.none"));
  }
  const recorder = new MediaRecorder(stream);
  const parts = [];
  const began = performance.now();
  const clock = setInterval(report, 1000);

  function report() {
    const seconds = (performance.now() - began) / 1000;
    tick(seconds);
    if (seconds >= MAX_SECONDS) stop();
  }

  function stop() {
    if (recorder.state !== "inactive") recorder.stop();
  }

  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const sound = new Promise((resolve) => {
    recorder.addEventListener("stop", () => {
      clearInterval(clock);
      for (const track of stream.getTracks()) track.stop(); // the browser's sign that it is on goes out
      resolve(new Blob(parts, { type: recorder.mimeType }));
    });
  });
  recorder.start();
  tick(0);
  return { sound, stop };
}
