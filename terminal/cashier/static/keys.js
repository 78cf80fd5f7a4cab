// Keyboard and keypad: figures shift in as on a till, a key that stands on a button presses it, and a figure typed
// anywhere goes where figures belong.
"use strict";

(() => {
  const KEPT = "amount";

  // Amounts: every figure goes in at the right. 2 5 0 0 is 25.00. The placeholder tells how many minor digits there are.

  const shifted = (text, places, length) => {
    const digits = text.replace(/\D/g, "").replace(/^0+/, "").slice(0, length - 1);
    if (!digits || !places) return digits;
    const padded = digits.padStart(places + 1, "0");
    return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
  };

  const shiftIn = (field) => {
    field.value = shifted(field.value, (field.placeholder.split(".")[1] || "").length, field.maxLength);
    field.setSelectionRange(field.value.length, field.value.length);
  };

  document.addEventListener("input", (event) => {
    if (event.target.hasAttribute("data-amount")) shiftIn(event.target);
  });

  // What was typed outlives a reload, and figures typed over a result are those of the next amount.

  const amount = () => document.getElementById("amount");

  const restore = () => {
    const field = amount();
    const kept = sessionStorage.getItem(KEPT);
    if (!field || !kept) return;
    sessionStorage.removeItem(KEPT);
    if (!field.value) { field.value = kept; shiftIn(field); }
  };

  const startNext = (digit) => {
    const next = document.querySelector("form.next");
    if (!next) return;
    sessionStorage.setItem(KEPT, (sessionStorage.getItem(KEPT) || "") + digit);
    next.requestSubmit();
  };

  addEventListener("pagehide", () => {
    if (amount()) sessionStorage.setItem(KEPT, amount().value);
  });
  document.addEventListener("regions", restore);
  restore();

  // Where figures go: the field that has the focus, else the first of the sheet, else the amount.

  const layer = () => document.querySelector("dialog:modal") || document;
  const isField = (element) => element instanceof HTMLInputElement && element.type !== "hidden";

  const fieldIn = (scope) => {
    const active = document.activeElement;
    if (isField(active) && scope.contains(active)) return active;
    return scope.querySelector("[autofocus]") || scope.querySelector("input:not([type=hidden])");
  };

  const edit = (field, change) => {
    field.focus();
    const value = change(field.value);
    if (value.length > field.maxLength) return;
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const type = (field, text) => edit(field, (value) => value + text);
  const erase = (field) => edit(field, (value) => value.slice(0, -1));
  const clear = (field) => edit(field, () => "");

  // Keys

  const press = (key) => {
    const element = layer().querySelector(`[aria-keyshortcuts="${key}"]:not(:disabled)`);
    if (element) element.click();
    return Boolean(element);
  };

  const figure = (key) => {
    const field = fieldIn(layer());
    if (field && key === "Backspace") erase(field);
    else if (field) type(field, key);
    else if (key !== "Backspace") startNext(key);
  };

  const isIdle = (element) => !element || element.matches("body, dialog, #sale, .rest, .roll");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { key } = event;
    const active = document.activeElement;
    const isShortcut = /^F\d+$/.test(key) || (key === "Escape" && layer() === document) || (key === "Enter" && isIdle(active));
    if (isShortcut) {
      if (press(key)) event.preventDefault();
    } else if (/^(\d|Backspace)$/.test(key) && !isField(active)) {
      if (!press(key)) figure(key);
      event.preventDefault();
    }
  });

  // Keypad: its keys leave the focus in the field that they type into.

  const KEYPAD = "[data-type], [data-erase], [data-clear]";

  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest(KEYPAD)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest(KEYPAD);
    if (!button) return;
    const field = fieldIn(button.form);
    if (button.dataset.type) type(field, button.dataset.type);
    else if ("erase" in button.dataset) erase(field);
    else clear(field);
  });
})();
