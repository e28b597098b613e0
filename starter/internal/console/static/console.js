// Replaces the fragments of a page as they change. Everything works without it, by reloading.
"use strict";

(() => {
  const page = document.body.dataset.page;
  if (!page || !window.EventSource || !document.querySelector("section.fragment[id]")) return;
  const live = document.getElementById("live");

  // Whether details were open as they were served: only what somebody has opened or closed since is kept.
  const served = new Map();
  const note = (part) => { for (const details of part.querySelectorAll("details[id]")) served.set(details.id, details.open); };
  note(document);

  // A timeline that is wider than the page shows the present, until somebody scrolls it.
  const toNow = (part) => {
    for (const now of part.querySelectorAll(".scroll .now")) {
      const box = now.closest(".scroll");
      const at = now.getBoundingClientRect().left - box.getBoundingClientRect().left;
      box.scrollLeft += Math.max(0, at - 0.8 * box.clientWidth);
    }
  };
  toNow(document);

  // What somebody is typing, what is open and where the focus is survive the replacement of a fragment.
  const remember = (fragment) => {
    const state = { values: new Map(), open: new Map(), scrolled: [], focus: null };
    for (const box of fragment.querySelectorAll(".scroll")) state.scrolled.push(box.scrollLeft);
    for (const input of fragment.querySelectorAll("input[id]")) {
      if (input.value !== input.defaultValue) state.values.set(input.id, input.value);
    }
    for (const details of fragment.querySelectorAll("details[id]")) {
      if (details.open !== served.get(details.id)) state.open.set(details.id, details.open);
    }
    const active = document.activeElement;
    if (active && fragment.contains(active)) {
      state.focus = { id: active.id, form: active.form && active.form.id, value: active.value, summary: active.tagName === "SUMMARY" && active.parentElement.id };
      if (active.id && active.selectionStart != null) state.focus.at = [active.selectionStart, active.selectionEnd];
    }
    return state;
  };

  const find = (focus) => {
    if (focus.id) return document.getElementById(focus.id);
    if (focus.summary) return document.querySelector(`#${CSS.escape(focus.summary)} > summary`);
    const form = focus.form && document.getElementById(focus.form);
    return form && form.querySelector(`button[value="${CSS.escape(focus.value)}"]`);
  };

  const restore = (state) => {
    for (const [id, value] of state.values) {
      const input = document.getElementById(id);
      if (input) input.value = value;
    }
    for (const [id, open] of state.open) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    const element = state.focus && find(state.focus);
    if (element) {
      element.focus({ preventScroll: true });
      if (state.focus.at) element.setSelectionRange(...state.focus.at);
    }
  };

  // After a while the console ends the connection, and the browser connects anew: it then sends what the page has, too.
  const shown = new Map();
  const replace = ({ id, html }) => {
    const fragment = document.getElementById(id);
    if (!fragment || shown.get(id) === html) return;
    shown.set(id, html);
    const state = remember(fragment);
    fragment.innerHTML = html;
    note(fragment);
    fragment.querySelectorAll(".scroll").forEach((box, i) => {
      if (i in state.scrolled) box.scrollLeft = state.scrolled[i];
      else toNow(fragment);
    });
    restore(state);
  };

  const events = new EventSource("/events?page=" + encodeURIComponent(page));
  let lost;
  const say = () => { live.textContent = "not live: reload the page"; };
  events.onopen = () => {
    clearTimeout(lost);
    lost = undefined;
    live.textContent = "";
  };
  events.onmessage = (event) => replace(JSON.parse(event.data));
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) say(); // refused, for good
    else lost ??= setTimeout(say, 10_000); // the browser asks again
  };
  addEventListener("pagehide", () => events.close());
})();
