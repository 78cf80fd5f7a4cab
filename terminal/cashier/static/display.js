// Keeps the customer's screen what the terminal says it is; while the terminal starts, the last amount is not left there.
"use strict";

(() => {
  const LOOK_AGAIN_MS = 1000;

  const put = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("screen");
    document.getElementById("screen").replaceWith(fresh);
  };

  const waitForTerminal = () => {
    document.getElementById("screen").replaceChildren();
    const look = () => fetch("/static/tokens.css", { cache: "no-store" })
      .then(() => location.reload(), () => setTimeout(look, LOOK_AGAIN_MS));
    setTimeout(look, LOOK_AGAIN_MS);
  };

  const updates = new EventSource("/display/updates");
  updates.addEventListener("screen", (event) => put(event.data));
  updates.addEventListener("error", () => { updates.close(); waitForTerminal(); });
  addEventListener("pagehide", () => updates.close());
})();
