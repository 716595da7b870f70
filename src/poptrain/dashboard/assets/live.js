"use strict";
// Fetches again what is shown whenever the server says that something was committed; never twice at a time.
(() => {
  const base = document.body.dataset.base;
  const parts = [...document.querySelectorAll("[data-part]")];
  const connection = document.getElementById("connection");
  let busy = false, again = false;

  const inUse = (part) => part.contains(document.activeElement) || [...part.querySelectorAll("input")].some((input) => input.value);
  const refresh = async () => {
    if (busy || document.hidden) { again = true; return; }
    busy = true;
    again = false;
    try {
      for (const part of parts) {
        if (part.childElementCount && inUse(part)) continue;
        const answer = await fetch(base + "parts/" + part.dataset.part);
        if (!answer.ok) throw new Error(answer.status);
        part.innerHTML = await answer.text();
        part.querySelectorAll("table[data-filter]").forEach(window.poptrain.prepare);
      }
      for (const box of window.poptrain.drawn) if (box.data) await window.poptrain.redraw(box);
    } catch (error) {
      connection.textContent = "could not be read: " + error.message;
    }
    busy = false;
    if (again) setTimeout(refresh, 1000);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) refresh(); });

  const changes = new EventSource(base + "changes");
  changes.onopen = () => { connection.textContent = "live"; };
  changes.onmessage = refresh;
  changes.onerror = () => { connection.textContent = "not connected: is the dashboard still running?"; };
  refresh();
})();
