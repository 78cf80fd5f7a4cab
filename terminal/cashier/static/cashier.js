// What the page does by itself: keys and keypad, figures that shift in, sheets, and a line to the terminal that broke.
// Everything else is plain links and forms, which htmx (hx-boost) sends without loading the page anew.
"use strict";

(() => {
  const AMOUNT_DIGITS_MAX = 12;
  const KEPT = "amount";

  // Amounts: every figure goes in at the right, as on a till. 2 5 0 0 is 25.00.

  const decimals = (input) => (input.placeholder.split(".")[1] || "").length;

  const shifted = (input) => {
    const digits = input.value.replace(/\D/g, "").replace(/^0+/, "").slice(0, AMOUNT_DIGITS_MAX);
    const places = decimals(input);
    if (!digits || !places) return digits;
    const padded = digits.padStart(places + 1, "0");
    return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
  };

  const shiftIn = (input) => {
    input.value = shifted(input);
    input.setSelectionRange(input.value.length, input.value.length);
  };

  const keep = () => {
    const amount = document.getElementById("amount");
    if (amount && amount.value) sessionStorage.setItem(KEPT, amount.value);
    else sessionStorage.removeItem(KEPT);
  };

  const restore = () => {
    const amount = document.getElementById("amount");
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (amount && kept && !amount.value) { amount.value = kept; shiftIn(amount); }
  };

  // Typing: into the field that has the focus, else into the amount; from a result straight into the next sale.

  const layer = () => document.querySelector("dialog:modal") || document;
  const isField = (element) => element instanceof HTMLInputElement && element.type !== "hidden";

  const fieldOf = (scope) => {
    if (isField(document.activeElement)) return document.activeElement;
    return scope.querySelector("input[autofocus], #amount, input:not([type=hidden])");
  };

  const changed = (input) => input.dispatchEvent(new Event("input", { bubbles: true }));

  const type = (input, text) => {
    input.focus();
    if (!input.hasAttribute("data-amount") && input.value.length >= input.maxLength) return;
    input.value += text;
    changed(input);
  };

  const erase = (input) => {
    input.focus();
    input.value = input.value.slice(0, -1);
    changed(input);
  };

  const startNext = (digit) => {
    const next = document.querySelector("form.next");
    if (!next) return;
    sessionStorage.setItem(KEPT, (sessionStorage.getItem(KEPT) || "") + digit);
    if (!next.dataset.sent) { next.dataset.sent = "yes"; next.requestSubmit(); }
  };

  const press = (name) => {
    const element = layer().querySelector(`[aria-keyshortcuts="${name}"]`);
    if (element && !element.disabled) element.click();
    return Boolean(element);
  };

  const isIdle = (element) => !element || element === document.body || element.matches("dialog, #sale, .roll");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const active = document.activeElement;
    if (/^F\d+$/.test(event.key) || (event.key === "Escape" && layer() === document)) {
      if (press(event.key)) event.preventDefault();
    } else if (event.key === "Enter" && isIdle(active)) {
      if (press("Enter")) event.preventDefault();
    } else if (!isField(active) && /^(\d|Backspace)$/.test(event.key)) {
      const field = fieldOf(layer());
      if (field && event.key === "Backspace") erase(field);
      else if (field) type(field, event.key);
      else if (event.key !== "Backspace") startNext(event.key);
      event.preventDefault();
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.hasAttribute("data-amount")) shiftIn(event.target);
  });

  // A key of the keypad leaves the focus in the field it types into.
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-type], [data-erase], [data-clear]")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-type], [data-erase], [data-clear]");
    if (!button) return;
    const field = fieldOf(button.closest("form"));
    if (button.dataset.type) type(field, button.dataset.type);
    else if ("erase" in button.dataset) erase(field);
    else { field.value = ""; changed(field); field.focus(); }
  });

  // Sheets: with a script they are modal, so that the focus stays inside and Escape closes them.

  const openSheets = () => {
    for (const dialog of document.querySelectorAll("dialog[open]:not(:modal)")) {
      dialog.close();
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault();
        dialog.querySelector(".close").click();
      });
      dialog.showModal();
    }
  };

  // The line to the terminal. When it is back, the page is loaded anew: the terminal may have been restarted.

  const terminalIsLost = () => {
    const notice = document.getElementById("lost");
    if (!notice.hidden) return;
    notice.hidden = false;
    const look = () => fetch("/static/tokens.css", { cache: "no-store" })
      .then(() => location.reload(), () => setTimeout(look, 500));
    setTimeout(look, 500);
  };

  let leaving = false;
  addEventListener("pagehide", () => { leaving = true; keep(); });
  document.addEventListener("htmx:sseError", () => { if (!leaving) terminalIsLost(); });
  document.addEventListener("htmx:sendError", terminalIsLost);
  document.addEventListener("htmx:responseError", () => location.reload());

  const settle = () => { openSheets(); restore(); };
  document.addEventListener("htmx:oobAfterSwap", settle);
  document.addEventListener("DOMContentLoaded", () => {
    settle();
  });
})();
