// The page that asks for the password; then the address that was asked for is loaded.
const notice = document.querySelector(".kz-notice");
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ password: document.querySelector("#password").value });
  const response = await fetch("api/login", { method: "POST", body, headers: { "Content-Type": "application/json" } });
  if (response.ok) return location.reload();
  notice.textContent = (await response.json()).error;
  notice.hidden = false;
});
