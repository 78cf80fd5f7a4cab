// Keeps the page what the terminal says it is. Links and forms work without this file; with it they change the page in
// place. Each answer and each update is HTML of regions, and a region takes the place of the element with its id.
"use strict";

(() => {
  const IN_PLACE = { "X-In-Place": "yes" };
  const LOOK_AGAIN_MS = 500;

  // What is typed but not sent survives its region; and so does the focus, if what had it is still there.
  const keepTyped = (old, fresh) => {
    for (const field of old.querySelectorAll("[data-keep]")) {
      const successor = fresh.querySelector(`#${CSS.escape(field.id)}`);
      if (successor) successor.value = field.value;
    }
  };

  const refocus = (id) => {
    if (document.activeElement && document.activeElement !== document.body) return;
    const before = id && document.getElementById(id);
    const wanted = before || document.querySelector("dialog [autofocus]") || document.querySelector("#sale [autofocus]");
    if (!wanted) return;
    wanted.focus({ preventScroll: true });
    if (wanted instanceof HTMLInputElement) wanted.setSelectionRange(wanted.value.length, wanted.value.length);
  };

  const put = (html) => {
    const focused = document.activeElement && document.activeElement.id;
    const panel = document.getElementById("sale").dataset.kind;
    for (const region of [...new DOMParser().parseFromString(html, "text/html").body.children]) {
      const old = document.getElementById(region.id);
      keepTyped(old, region);
      // A live region is read out only if it stays and its text changes.
      if (region.hasAttribute("aria-live")) old.textContent = region.textContent;
      else old.replaceWith(region);
    }
    openSheet();
    refocus(focused);
    // In one column the reader may be down at the list when the sale goes on.
    if (document.getElementById("sale").dataset.kind !== panel) scrollTo(0, 0);
    document.dispatchEvent(new Event("regions"));
  };

  // With a script a sheet is modal: the focus stays inside, the page behind cannot be pressed, Escape closes it.
  const openSheet = () => {
    const sheet = document.querySelector("dialog[open]:not(:modal)");
    if (!sheet) return;
    sheet.close();
    sheet.addEventListener("cancel", (event) => {
      event.preventDefault();
      sheet.querySelector(".close").click();
    });
    sheet.showModal();
  };

  // Presses

  let goes = 0;

  const go = async (address, request = {}) => {
    const mine = goes += 1;
    let answer;
    try {
      answer = await fetch(address, { ...request, headers: IN_PLACE });
    } catch {
      terminalIsLost();
      return;
    }
    if (!answer.ok) { location.reload(); return; }
    const html = await answer.text();
    if (mine !== goes) return; // somebody has gone on meanwhile
    if (answer.url !== location.href) history.pushState(null, "", answer.url);
    put(html);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if ("whole" in form.dataset) return;
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    const body = new URLSearchParams(new FormData(form, event.submitter));
    await go(form.getAttribute("action"), { method: "POST", body });
    delete form.dataset.sent;
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='/']");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.href);
  });

  addEventListener("popstate", () => go(location.href));

  // Updates. When the line to the terminal breaks, it is being started: wait, then load the page anew.

  let leaving = false;

  const terminalIsLost = () => {
    const notice = document.getElementById("lost");
    if (leaving || !notice.hidden) return;
    notice.hidden = false;
    const look = () => fetch("/static/tokens.css", { cache: "no-store" })
      .then(() => location.reload(), () => setTimeout(look, LOOK_AGAIN_MS));
    setTimeout(look, LOOK_AGAIN_MS);
  };

  const follow = () => {
    const updates = new EventSource(document.body.dataset.updates);
    updates.addEventListener("regions", (event) => put(event.data));
    updates.addEventListener("error", () => { updates.close(); terminalIsLost(); });
    addEventListener("pagehide", () => { leaving = true; updates.close(); });
  };

  openSheet();
  refocus();
  follow();
})();
