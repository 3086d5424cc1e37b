// Runs: all of them, and one with its jobs, its failures and its results.
import { html, useState } from "./html.js";
import { get, post } from "./api.js";
import { Line } from "./jobs.js";
import { Ago, Dialog, Empty, Fault, Loading, Status, Trouble, useEvery, useLoaded } from "./parts.js";
import { address, amend } from "./route.js";
import { STATES, count, duration } from "./words.js";

const AGAIN_MS = 2000;
const SOON_MS = 500; // when a run has not been counted yet

export function Runs() {
  const loaded = useLoaded(() => get("/api/runs"), []);
  useEvery(loaded.value?.partial ? SOON_MS : AGAIN_MS, loaded.poll);
  const runs = loaded.value?.runs ?? [];
  return html`
    <section aria-label="Runs">
      <div class="title"><h1>Runs</h1></div>
      ${loaded.phase === "loading" && html`<${Loading} what="runs" />`}
      ${loaded.phase === "failed" && html`<${Trouble} what="Runs cannot be read" error=${loaded.error} again=${loaded.again} />`}
      ${loaded.phase === "loaded" && (runs.length === 0
        ? html`<${Empty} title="No runs yet">
            <p>A run is a name for jobs that belong together. Submit a folder as one: <code>matinv submit FOLDER --run NAME</code></p>
            <p>Jobs without a run are among <a href=${address("jobs")}>all jobs</a>.</p><//>`
        : html`<ul class="runs">${runs.map((run) => html`<${Summary} key=${run.run} run=${run} />`)}</ul>
          ${runs.length >= loaded.value.limit && html`<p class="dim">The latest ${loaded.value.limit} runs.</p>`}`)}
    </section>`;
}

function Summary({ run }) {
  return html`
    <li class="card run">
      <div class="line"><h2 class="id"><a href=${address("run", run.run)}>${run.run}</a></h2>
        ${run.last && html`<span class="dim"><${Ago} time=${run.last} /></span>`}</div>
      ${run.counts ? html`<${Progress} run=${run} /><${Counts} run=${run} />` : html`<p class="dim">Counting its jobs …</p>`}
    </li>`;
}

function Progress({ run }) {
  const parts = STATES.filter((state) => run.counts[state]);
  const said = `${run.ended.toLocaleString("en")} of ${count(run.total, "job")} ended: ${parts.map((state) => `${run.counts[state].toLocaleString("en")} ${state.toLowerCase()}`).join(", ")}`;
  return html`
    <div class="progress" role="img" aria-label=${said}>${parts.map((state) => html`
      <span key=${state} data-status=${state} style=${{ flexGrow: run.counts[state] }}></span>`)}</div>`;
}

function Counts({ run }) {
  const open = run.total - run.ended;
  const [failures, warnings] = [run.failures, run.warnings].map((counts) => Object.entries(counts).sort(([, a], [, b]) => b - a));
  return html`
    <p class="counts"><strong>${run.ended.toLocaleString("en")} of ${count(run.total, "job")} ended</strong>
      ${STATES.filter((state) => run.counts[state]).map((state) => html`<span key=${state}><${Status} status=${state} /> ${run.counts[state].toLocaleString("en")}</span>`)}</p>
    ${open > 0
      ? html`<p class="dim">${rate(run.rate_per_s)}${run.eta_s != null ? `, done in about ${duration(1000 * Math.ceil(run.eta_s))}` : ", nothing moves at present"}</p>`
      : run.first && html`<p class="dim">${duration(Math.max(0, Date.parse(run.last) - Date.parse(run.first)))} from the first submission to the last end</p>`}
    ${warnings.length > 0 && html`<p class="dim">Warnings: ${warnings.map(([code, number]) => `${code} ${number.toLocaleString("en")}`).join(", ")}</p>`}
    ${failures.length > 0 && html`<p class="failures">${failures.map(([code, number]) => html`
      <a key=${code} class="failure" href=${address("run", run.run, { state: "FAILED" })}><code class="code">${code}</code> ${number.toLocaleString("en")}</a>`)}</p>`}`;
}

const rate = (value) => `${value >= 10 ? Math.round(value).toLocaleString("en") : value ? Number(value.toPrecision(2)) : 0} jobs per second`;

export function Run({ name, query }) {
  const loaded = useLoaded(() => get(`/api/run?${new URLSearchParams({ run: name })}`), [name]);
  const run = loaded.value;
  useEvery(run?.partial ? SOON_MS : AGAIN_MS, loaded.poll);
  return html`
    <section aria-label="Run">
      <p class="crumbs"><a href=${address("runs")}>Runs</a> <span class="dim">/</span></p>
      <h1 class="id">${name}</h1>
      ${(loaded.phase === "loading" || (run && !run.counts)) && html`<${Loading} what="the run" />`}
      ${loaded.phase === "failed" && html`<${Trouble} what="The run cannot be shown" error=${loaded.error} again=${loaded.again} />`}
      ${run?.counts && html`
        <section class="card run" aria-labelledby="progress"><h2 id="progress">Progress</h2>
          <${Progress} run=${run} /><${Counts} run=${run} />
          <${Actions} run=${run} again=${loaded.again} /></section>
        <${Jobs} run=${run} state=${query.get("state") ?? ""} />`}
    </section>`;
}

function Actions({ run, again }) {
  const [asking, setAsking] = useState(false);
  const [cancelled, setCancelled] = useState(null);
  const results = (run.counts.SUCCEEDED ?? 0) + (run.counts.PARTIAL ?? 0);
  return html`
    <p class="buttons">
      ${results > 0
        ? html`<a class="button" href=${`/api/run/archive?${new URLSearchParams({ run: run.run })}`} download>Download ${count(results, "result")} as .zip</a>`
        : html`<span class="dim">No results yet.</span>`}
      ${run.ended < run.total && html`<button type="button" onClick=${() => setAsking(true)}>Cancel …</button>`}
    </p>
    <div aria-live="polite">${cancelled != null && html`<p class="outcome">${count(cancelled, "job")} cancelled.</p>`}</div>
    ${asking && html`<${Cancel} run=${run} close=${() => setAsking(false)}
      ended=${(answer) => { setAsking(false); setCancelled(answer.cancelled); again(); }} />`}
    ${results > 0 && html`<p class="dim">Each file has the name of its input. manifest.jsonl in the archive lists how each job ended. The same from a terminal: <code>matinv fetch --run ${quoted(run.run)} -o FOLDER</code></p>`}`;
}

function Cancel({ run, close, ended }) {
  const [state, setState] = useState({});
  const order = async () => {
    setState({ busy: true });
    try {
      ended(await post("/api/run/cancel", { run: run.run }));
    } catch (error) {
      setState({ error });
    }
  };
  return html`
    <${Dialog} title=${`Cancel the run ${run.run}`} close=${close}>
      <p>${count(run.total - run.ended, "job")} that ${run.total - run.ended === 1 ? "has" : "have"} not ended will not be worked on. The results that are there stay. Dropped files that no worker has seen yet are not cancelled.</p>
      <div aria-live="polite">${state.error && html`<${Fault} error=${state.error} />`}</div>
      <footer><button type="button" onClick=${close}>Let it go on</button>
        <button type="button" class="primary danger" disabled=${state.busy} onClick=${order}>Cancel the run</button></footer>
    <//>`;
}

const quoted = (text) => (/^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function Jobs({ run, state }) {
  const change = (next) => amend(address("run", run.run, { state: next }));
  return html`
    <section aria-label="Jobs of the run">
      <div class="filters"><div class="tabs" role="group" aria-label="State">
        ${["", ...STATES].map((one) => html`
          <button type="button" key=${one} aria-pressed=${state === one} disabled=${one && !run.counts[one] && state !== one} onClick=${() => change(one)}>
            ${one ? one.toLowerCase() : "all"} <span class="count">${(one ? run.counts[one] ?? 0 : run.total).toLocaleString("en")}</span></button>`)}
      </div></div>
      <${Page} key=${state} run=${run} state=${state} />
    </section>`;
}

// A page at a time: where the ones before began is remembered, so that one can go back.
function Page({ run, state }) {
  const [places, setPlaces] = useState([null]);
  const place = places.at(-1);
  const query = [["run", run.run], ...(state ? [["status", state]] : []), ...(place ?? []).map((part) => ["after", part])];
  const loaded = useLoaded(() => get(`/api/run/jobs?${new URLSearchParams(query)}`), [String(place), state]);
  useEvery(AGAIN_MS, () => run.ended < run.total && loaded.poll());
  if (loaded.phase === "loading") return html`<${Loading} what="jobs" />`;
  if (loaded.phase === "failed") return html`<${Trouble} what="The jobs cannot be read" error=${loaded.error} again=${loaded.again} />`;
  const { columns, rows, next } = loaded.value;
  const jobs = rows.map((cells) => Object.fromEntries(columns.map((name, index) => [name, cells[index]])));
  if (!jobs.length) return html`<${Empty} title=${state ? "No job has this status" : "No jobs"} />`;
  return html`
    <div class="scroll" role="region" aria-label="Jobs of the run, table" tabindex="0">
      <table class="jobs"><thead><tr>
        <th scope="col">Job</th><th scope="col">State</th><th scope="col" class="number">n</th><th scope="col">Type</th>
        <th scope="col" class="number">Digits</th><th scope="col" class="number">Time</th><th scope="col">Lane</th><th scope="col" class="number">Updated</th></tr></thead>
        <tbody>${jobs.map((job) => html`<${Line} key=${job.job_id} job=${job} />`)}</tbody></table>
    </div>
    ${(next || places.length > 1) && html`
      <nav class="pages" aria-label="Pages">
        <span class="dim" aria-live="polite">Page ${places.length}</span>
        <button type="button" class="small" disabled=${places.length === 1} onClick=${() => setPlaces(places.slice(0, -1))}>Previous</button>
        <button type="button" class="small" disabled=${!next} onClick=${() => setPlaces([...places, next])}>Next</button>
      </nav>`}`;
}
