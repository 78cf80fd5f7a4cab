// A scanner that types. What comes faster than a hand can type is kept from the page until it ends: with Enter or Tab it
// is a scan and goes to the terminal as one, never into a field. What turns out to be typed by hand is handed on; a figure
// is seen on the page that much later.
"use strict";

(() => {
  const GAP_MS = Number(document.body.dataset.scannerGapMs); // between two keys of a scanner, at most
  const END_MS = 2 * GAP_MS + 50; // until its Enter
  const SHORTEST = 8; // the shortest bar codes have so many figures; an amount typed so fast has fewer
  const LONGEST = 600; // what is longer is no code, and told by its length

  const form = document.getElementById("scan");
  let held = [];
  let last = 0;
  let timer = 0;

  const isScan = () => held.length >= SHORTEST;

  const take = () => {
    clearTimeout(timer);
    const keys = held;
    held = [];
    return keys;
  };

  const typeInto = (field, key) => {
    const { value, selectionStart, selectionEnd, maxLength } = field;
    const length = value.length - (selectionEnd - selectionStart) + key.length;
    if (field.readOnly || field.disabled || (maxLength >= 0 && length > maxLength)) return;
    field.setRangeText(key, selectionStart, selectionEnd, "end");
    field.dispatchEvent(new InputEvent("input", { data: key, inputType: "insertText", bubbles: true }));
  };

  // By hand: where the keys were pressed, as if only now. Made-up keys are heard by our own listeners alone.
  const handOn = () => {
    for (const { key, pressedIn } of take()) {
      const target = pressedIn.isConnected ? pressedIn : document.activeElement || document.body;
      if (target.matches("input, textarea")) typeInto(target, key);
      else target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
  };

  const scanned = (ended) => {
    form.elements.code.value = take().map(({ key }) => key).join("");
    form.elements.end.value = ended ? "yes" : "";
    form.requestSubmit();
  };

  const settle = () => {
    if (isScan()) scanned(false);
    else handOn();
  };

  // A page that was busy lets the keys that have come meanwhile go first.
  const waitFor = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(() => { timer = setTimeout(settle, 0); }, pause);
  };

  const stop = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };

  addEventListener("keydown", (event) => {
    const { key } = event;
    if (!event.isTrusted || key === "Shift") return;
    if (isScan() && (key === "Enter" || key === "Tab") && event.timeStamp - last <= END_MS) {
      stop(event);
      scanned(true);
      return;
    }
    if (held.length && event.timeStamp - last > GAP_MS) settle();
    const isSign = key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
    if (!isSign || event.repeat || (key === " " && !held.length)) { // a space presses buttons
      handOn();
      return;
    }
    stop(event);
    last = event.timeStamp;
    if (held.length < LONGEST) held.push({ key, pressedIn: event.target });
    waitFor(isScan() ? END_MS : GAP_MS);
  }, { capture: true });

  for (const leaving of ["pointerdown", "pagehide"]) {
    addEventListener(leaving, () => { if (!isScan()) handOn(); }, { capture: true });
  }
})();
