// What all views are made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { listen, live } from "./live.js";
import { ago } from "./words.js";

export function useLive() {
  const [, redraw] = useState(0);
  useEffect(() => {
    let asked = 0;
    const stop = listen(() => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        redraw(live.version);
      });
    });
    redraw(live.version);
    return () => {
      cancelAnimationFrame(asked);
      stop();
    };
  }, []);
  return live;
}

// Loads something and tells how that went; `again` does it once more and keeps what is shown. An
// answer counts unless a later question's is there already: a slow one is late, never lost. `poll`
// asks again unless a question is on its way.
export function useLoaded(load, keys) {
  const [state, setState] = useState({ phase: "loading" });
  const asked = useRef(0);
  const shown = useRef(0);
  const busy = useRef(null);
  const again = () => {
    const mine = ask().finally(() => { if (busy.current === mine) busy.current = null; });
    busy.current = mine;
    return mine;
  };
  const ask = async () => {
    const mine = ++asked.current;
    const show = (next) => {
      if (mine < shown.current) return;
      shown.current = mine;
      setState(next);
    };
    try {
      show({ phase: "loaded", value: await load() });
    } catch (error) {
      show({ phase: "failed", error });
    }
  };
  useEffect(() => {
    setState({ phase: "loading" });
    again();
    return () => { shown.current = asked.current + 1; }; // what was asked for other keys
  }, keys);
  return { ...state, again, poll: () => busy.current ?? again() };
}

// Does something again and again, so long after it was done: two never overlap.
export function useEvery(ms, act) {
  const latest = useRef({});
  latest.current = { ms, act };
  useEffect(() => {
    let timer = 0;
    let over = false;
    const next = () => { timer = over ? 0 : setTimeout(turn, latest.current.ms); };
    const turn = async () => {
      if (!document.hidden) await latest.current.act();
      next();
    };
    next();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
}

export function Loading({ what }) {
  return html`<div class="state" role="status"><span class="spinner" aria-hidden="true"></span>Loading ${what} …</div>`;
}

export function Trouble({ error, again, what }) {
  return html`
    <div class="state trouble" role="alert">
      <h2>${what}</h2>
      <p><code class="code">${error.code}</code> ${error.message}</p>
      ${error.hint && html`<p class="hint">${sentence(error.hint)}</p>`}
      ${again && html`<button type="button" onClick=${again}>Try again</button>`}
    </div>`;
}

export function Empty({ title, children }) {
  return html`<div class="state"><h2>${title}</h2>${children}</div>`;
}

export function Fault({ error }) {
  return html`
    <div class="fault">
      <p><code class="code">${error.code}</code> ${error.message}</p>
      ${error.observed && html`<p><span class="dim">Found</span> ${error.observed}</p>`}
      ${error.limit && html`<p><span class="dim">Allowed</span> ${error.limit}</p>`}
      ${error.hint && html`<p class="hint"><span class="dim">What to do</span> ${error.hint}</p>`}
    </div>`;
}

export function Status({ status }) {
  return html`<span class="status" data-status=${status}>${status.toLowerCase()}</span>`;
}

export function Ago({ time }) {
  return html`<time datetime=${time} title=${time}>${ago(time)}</time>`;
}

export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return html`<button type="button" class="small" aria-label=${label} onClick=${copy}>
    <span aria-live="polite">${done ? "Copied" : "Copy"}</span>
  </button>`;
}

// The browser's own dialog: it keeps the focus inside and closes by Escape.
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" onCancel=${(event) => { event.preventDefault(); close(); }}>
      <header><h2 id="dialog-title">${title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick=${close}>✕</button></header>
      ${children}
    </dialog>`;
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
