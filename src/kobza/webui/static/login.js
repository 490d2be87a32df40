// What is shown to who has not given the password. Then the address that was asked for is loaded.
import { el } from "./dom.js";
import { loadCatalogue, t } from "./i18n.js";

await loadCatalogue();
document.querySelector(".kz-tagline").textContent = t("tagline");
const password = el("input", { type: "password", autocomplete: "current-password", required: true, "aria-label": t("login.label"), placeholder: t("login.label") });
const notice = el("p", { class: "kz-notice", role: "alert", hidden: true });
const form = el("form", { class: "kz-ask", onsubmit: submit }, password, el("button", { class: "kz-primary" }, t("login.open")));
document.querySelector("main").replaceChildren(form, notice);
password.focus();

async function submit(event) {
  event.preventDefault();
  const sentence = await trouble();
  if (sentence === "") return location.reload();
  notice.textContent = sentence;
  notice.hidden = false;
  password.select();
}

/** Why the password does not open the page; "" if it does. */
async function trouble() {
  try {
    const options = { method: "POST", body: JSON.stringify({ password: password.value }), headers: { "Content-Type": "application/json" } };
    const response = await fetch(new URL("api/login", document.baseURI), options);
    if (response.status === 401) return t("login.wrong");
    return response.ok ? "" : (await response.json()).error;
  } catch {
    return t("error.offline");
  }
}
