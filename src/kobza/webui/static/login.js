// What is shown to who has not given the password. Then the address that was asked for is loaded.
import { post } from "./api.js";
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
  try {
    await post("login", { password: password.value });
    location.reload();
  } catch (error) {
    notice.textContent = error.message;
    notice.hidden = false;
    password.select();
  }
}
