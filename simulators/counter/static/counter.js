"use strict";
// The page is a view: the server sends each region anew when it has changed. Without this script every button still
// works, as the form that it is.

const byId = (id) => document.getElementById(id);

function show({ region, html }) {
  const focused = document.activeElement?.id;
  const asked = byId("display")?.closest(".pad")?.dataset.asks;
  byId(region).innerHTML = html;
  if (region === "phone") countDown();
  if (focused) byId(focused)?.focus({ preventScroll: true });
  const pad = byId("display").closest(".pad");
  // The customer's next keys belong to the PIN pad: Enter must not press the card's button again.
  if (region === "pin_pad" && pad.dataset.asks === "true" && asked !== "true") byId("display").focus();
}

const events = new EventSource(`/events?lang=${document.body.dataset.language}`);
events.onmessage = (event) => show(JSON.parse(event.data));
events.onopen = () => { byId("link").hidden = true; };
events.onerror = () => { byId("link").hidden = false; };

const order = (path, value) => fetch(path, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ value }),
}).catch(() => { byId("link").hidden = false; });

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const value = event.submitter?.name ? event.submitter.value : form.elements.value?.value;
  order(form.getAttribute("action"), value ?? "");
});

// How long the code on the phone is still good. Without this script the page says that it is a minute at most.
function countDown() {
  const left = document.querySelector("[data-until]");
  if (!left) return;
  const seconds = Math.ceil(Number(left.dataset.until) - Date.now() / 1000);
  const text = seconds > 0 ? left.dataset.left.replace("{}", seconds) : left.dataset.over;
  if (left.textContent !== text) left.textContent = text;
  left.dataset.expired = String(seconds <= 0);
}
setInterval(countDown, 250);

const PAD_KEYS = { Enter: "enter", Escape: "cancel", Backspace: "clear" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const asks = document.querySelector(".pad").dataset.asks === "true";
  const onButton = document.activeElement?.matches("button, a");
  const padKey = /^[0-9]$/.test(event.key) ? event.key : PAD_KEYS[event.key];
  if (asks && padKey && !(event.key === "Enter" && onButton)) {
    event.preventDefault();
    order("/orders/press", padKey);
    return;
  }
  document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
});
