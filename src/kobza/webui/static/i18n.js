// The page's own sentences, in the browser's language where there is a catalogue of it, else in English.
const LANGUAGES = ["en", "uk"];

const language =
  navigator.languages.map((tag) => tag.split("-")[0].toLowerCase()).find((one) => LANGUAGES.includes(one)) ?? "en";
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
let catalogue = {};

export async function loadCatalogue() {
  const response = await fetch(new URL(`i18n/${language}.json`, import.meta.url));
  catalogue = await response.json();
  document.documentElement.lang = language;
}

/** The sentence `key` with `values` in its {places}; one with plural forms has the form of `values.n`. */
export function t(key, values = {}) {
  const entry = catalogue[key] ?? key;
  const sentence = typeof entry === "string" ? entry : (entry[plurals.select(values.n)] ?? entry.other);
  return sentence.replace(/\{(\w+)\}/g, (place, name) => {
    const value = values[name] ?? place;
    return typeof value === "number" ? number(value) : value;
  });
}

/** Whether there is such a sentence. */
export const knows = (key) => key in catalogue;

/** A number as the language writes it: "12,345". */
export const number = (value) => numbers.format(value);

/** Seconds as 1:15 or 1:01:15. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}`;
}

/** A length of time in words: "9 min", "2.5 hours". */
export function length(seconds) {
  if (seconds < 5400) return t("minutes", { n: Math.max(1, Math.round(seconds / 60)) });
  const hours = seconds < 360_000 ? Math.round(seconds / 360) / 10 : Math.round(seconds / 3600);
  return t("hours", { n: hours });
}
