// The page: what stands on every view, and which view the address names.
import { html, render, useEffect, useState } from "./html.js";
import { about } from "./api.js";
import { themeChanged } from "./chart.js";
import { Health } from "./health.js";
import { Job } from "./job.js";
import { Jobs } from "./jobs.js";
import { Letters } from "./letters.js";
import { start, watchVisibility } from "./live.js";
import { sentence, useLive } from "./parts.js";
import { address, go, route } from "./route.js";
import { Run, Runs } from "./runs.js";
import { Submit, Tray, useDrop, useUploads } from "./submit.js";

const VIEWS = [["runs", "Runs"], ["jobs", "Jobs"], ["dead", "Dead letters"], ["health", "Health"]];

function App() {
  const [{ view, id, query }, setRoute] = useState(route());
  const [submitting, setSubmitting] = useState(false);
  const uploads = useUploads();
  const over = useDrop(uploads.add);
  const openSubmit = () => setSubmitting(true);
  useEffect(() => {
    const changed = () => setRoute(route());
    window.addEventListener("hashchange", changed);
    changed(); // what went on before somebody listened
    window.addEventListener("keydown", slash);
    return () => {
      window.removeEventListener("hashchange", changed);
      window.removeEventListener("keydown", slash);
    };
  }, []);
  useEffect(() => {
    document.title = `${id || VIEWS.find(([name]) => name === view)?.[1] || "matinv"} · matinv console`;
    window.scrollTo(0, 0);
  }, [view, id]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${Header} view=${view} openSubmit=${openSubmit} />
    <${Banner} />
    <main id="main" tabindex="-1">
      ${view === "run" ? html`<${Run} key=${id} name=${id} query=${query} />`
        : view === "job" ? html`<${Job} key=${id} id=${id} />`
        : view === "dead" ? html`<${Letters} query=${query} />`
        : view === "health" ? html`<${Health} />`
        : view === "runs" ? html`<${Runs} />`
        : html`<${Jobs} query=${query} openSubmit=${openSubmit} />`}
    </main>
    <${Tray} ...${uploads} />
    ${submitting && html`<${Submit} close=${() => setSubmitting(false)} add=${uploads.add} opened=${(job) => go(address("job", job))} />`}
    ${over && html`<div class="drop"><p>Drop files that hold matrices to submit them</p></div>`}`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function slash(event) {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  const filter = document.getElementById("filter");
  if (event.key === "/" && !typing && filter) {
    event.preventDefault();
    filter.focus();
  }
}

function Header({ view, openSubmit }) {
  const [stack, setStack] = useState("");
  useEffect(() => { about().then((session) => setStack(session.stack), () => {}); }, []);
  return html`
    <header class="top">
      <a class="brand" href="#/runs">matinv</a>
      <nav aria-label="Views">${VIEWS.map(([name, title]) => html`
        <a key=${name} href=${`#/${name}`} aria-current=${view === name || name === `${view}s` ? "page" : undefined}>${title}</a>`)}</nav>
      <span class="stack" title="The stack">${stack}</span>
      <${Connection} />
      <${Theme} />
      <button type="button" class="primary" onClick=${openSubmit}>Submit</button>
    </header>`;
}

const PHASES = {
  loading: "connecting",
  live: "live",
  trouble: "stack unreachable",
  ended: "console ended",
};

function Connection() {
  const live = useLive();
  return html`<span class="connection" data-phase=${live.phase} role="status" title=${live.error?.message}>${PHASES[live.phase]}</span>`;
}

function Banner() {
  const { error, jobs } = useLive();
  if (!error || !jobs.size) return null;
  return html`<div class="banner" role="alert"><p><code class="code">${error.code}</code> ${error.message}</p>
    <p>${error.hint && sentence(error.hint)} What is shown is what was known.</p></div>`;
}

function Theme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? system);
  const other = theme === "dark" ? "light" : "dark";
  const turn = () => {
    document.documentElement.dataset.theme = other;
    localStorage.setItem("matinv-theme", other);
    setTheme(other);
    themeChanged();
  };
  return html`<button type="button" class="plain theme" aria-label=${`Switch to ${other} theme`} title=${`Switch to ${other} theme`} onClick=${turn}>◐</button>`;
}

render(html`<${App} />`, document.getElementById("app"));
start();
watchVisibility();
