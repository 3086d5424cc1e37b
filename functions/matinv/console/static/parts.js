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

// Loads something and tells how that went; `again` does it once more and keeps what is shown.
export function useLoaded(load, keys) {
  const [state, setState] = useState({ phase: "loading" });
  const turn = useRef(0);
  const again = async () => {
    const mine = ++turn.current;
    try {
      const value = await load();
      if (mine === turn.current) setState({ phase: "loaded", value });
    } catch (error) {
      if (mine === turn.current) setState({ phase: "failed", error });
    }
  };
  useEffect(() => {
    setState({ phase: "loading" });
    again();
    return () => { turn.current += 1; };
  }, keys);
  return { ...state, again };
}

export function useEvery(ms, act) {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || latest.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
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
