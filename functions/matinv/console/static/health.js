// How the stack is doing: what needs a person first, then numbers.
import { html } from "./html.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { Ago, Fault, Loading, Trouble, sentence, useEvery, useLoaded } from "./parts.js";
import { address } from "./route.js";
import { count, duration, usd } from "./words.js";

const AGAIN_MS = 5000;
const SOON_MS = 500; // when a part has not answered yet

export function Health() {
  const loaded = useLoaded(() => get("/api/health"), []);
  useEvery(loaded.value?.partial ? SOON_MS : AGAIN_MS, loaded.poll);
  return html`
    <section aria-label="Health">
      <div class="title"><h1>Health</h1>
        ${loaded.phase === "loaded" && html`<span class="dim">${loaded.value.stack}, <${Ago} time=${loaded.value.at} /></span>`}</div>
      ${loaded.phase === "loading" && html`<${Loading} what="health" />`}
      ${loaded.phase === "failed" && html`<${Trouble} what="Health cannot be read" error=${loaded.error} again=${loaded.again} />`}
      ${loaded.phase === "loaded" && html`<${Shown} health=${loaded.value} />`}
    </section>`;
}

function Shown({ health }) {
  const { flow } = health;
  const window_ = duration(health.window_s * 1000);
  return html`
    <${Pending} parts=${health.pending} />
    <${Unknown} unknown=${health.unknown} />
    <${Tiles} health=${health} />
    <${Alarms} alarms=${health.alarms} />
    ${flow && (flow.ended === 0
      ? html`<section class="card" aria-labelledby="flow"><h2 id="flow">Ended jobs</h2><p class="dim">None within the last ${window_}.</p></section>`
      : html`<${Flow} flow=${flow} window_=${window_} />`)}
    <div class="halves">
      <${Lanes} lanes=${health.lanes} />
      ${flow && flow.ended > 0 && html`<${Phases} phases=${flow.phases_ms} all=${flow.latency_ms} />`}
      ${flow && flow.ended > 0 && html`<${Cost} cost=${flow.cost} window_=${window_} />`}
    </div>
    <${Failures} failures=${health.failures} />`;
}

function Pending({ parts }) {
  return html`<p class="dim" role="status">${parts.length > 0 && html`<span class="spinner" aria-hidden="true"></span>Still loading: ${parts.join(", ")} …`}</p>`;
}

function Unknown({ unknown }) {
  if (!unknown.length) return null;
  return html`
    <section class="card" aria-labelledby="unknown"><h2 id="unknown">Figures that cannot be read</h2>
      ${unknown.map(({ part, error }) => html`<div key=${part}><h3>${part}</h3><${Fault} error=${error} /></div>`)}
    </section>`;
}

function Tiles({ health }) {
  const { flow, duplicates, lanes } = health;
  const oldest = Math.max(...lanes.map((lane) => lane.oldest_s ?? -1));
  const percent = duplicates && duplicates.deliveries ? (100 * duplicates.count) / duplicates.deliveries : null;
  const tiles = [
    ["Backlog", number(health.backlog), oldest >= 0 ? `oldest ${duration(oldest * 1000)}` : "messages"],
    ["Time left", health.eta_s == null ? "–" : health.eta_s === 0 ? "0 s" : `≈ ${duration(health.eta_s * 1000)}`, health.eta_s == null && health.backlog ? "nothing moves at present" : "at the present rate"],
    ["Throughput", flow ? rate(flow.per_s) : "–", "jobs per second"],
    ["Latency", duration(flow?.latency_ms?.p95), "95 % of jobs, from queue to result"],
    ["Cost", usd(flow?.cost.total_usd), flow?.cost.per_job_usd != null ? `${usd(flow.cost.per_job_usd)} per job` : "of what ended lately"],
    ["Duplicates", percent == null ? "–" : `${percent.toFixed(1)} %`, duplicates ? `${number(duplicates.count)} of ${count(duplicates.deliveries, "delivery").replace(/ys$/, "ies")}` : "not counted here"],
    ["Dead letters", number(health.dead_letters), html`<a href=${address("dead")}>show them</a>`, health.dead_letters > 0],
  ];
  return html`<dl class="tiles">${tiles.map(([title, value, more, bad]) => html`
    <div class="tile" data-tile=${title} key=${title}><dt>${title}</dt><dd class=${bad ? "value bad" : "value"}>${value}</dd><dd class="dim">${more}</dd></div>`)}</dl>`;
}

const number = (value) => (value == null ? "–" : value.toLocaleString("en"));
const rate = (value) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2).replace(/\.?0+$/, "") || "0");

const STATES = { OK: "ok", ALARM: "alarm", INSUFFICIENT_DATA: "no data" };

function Alarms({ alarms }) {
  if (!alarms) return null;
  const firing = alarms.filter((alarm) => alarm.state === "ALARM");
  const others = alarms.filter((alarm) => alarm.state !== "ALARM");
  return html`
    <section class="card" aria-labelledby="alarms"><h2 id="alarms">Alarms</h2>
      <p aria-live="polite" class=${firing.length ? "bad" : "dim"}>${alarms.length === 0
        ? "A local stack has no alarms."
        : firing.length ? `${firing.length} of ${count(alarms.length, "alarm")} in alarm.` : `All ${alarms.length} are quiet.`}</p>
      ${firing.map((alarm) => html`<${Alarm} key=${alarm.name} alarm=${alarm} />`)}
      ${others.length > 0 && html`<details open=${firing.length === 0}><summary>${count(others.length, "quiet alarm")}</summary>
        ${others.map((alarm) => html`<${Alarm} key=${alarm.name} alarm=${alarm} />`)}</details>`}
    </section>`;
}

function Alarm({ alarm }) {
  return html`
    <article class="alarm" data-state=${alarm.state}>
      <h3><span class="status" data-status=${alarm.state}>${STATES[alarm.state]}</span> ${alarm.name}
        ${alarm.pages && html` <span class="tag">pages</span>`}
        ${alarm.since && html` <span class="dim">since <${Ago} time=${alarm.since} /></span>`}</h3>
      ${alarm.why && html`<p>${sentence(alarm.why)}</p>`}
      ${alarm.do && html`<p><span class="dim">What to do:</span> ${sentence(alarm.do)}</p>`}
      ${alarm.runbook && html`<p><span class="dim">Runbook:</span> <${Runbook} place=${alarm.runbook} /></p>`}
    </article>`;
}

function Runbook({ place }) {
  return /^https:\/\//.test(place) ? html`<a href=${place} rel="noreferrer" target="_blank">${place}</a>` : html`<code>${place}</code>`;
}

function Flow({ flow, window_ }) {
  const times = flow.buckets.map((bucket) => Date.parse(bucket.begin) / 1000);
  const latency = (name) => flow.buckets.map((bucket) => bucket.latency_ms?.[name] ?? null);
  return html`
    <section class="card" aria-labelledby="flow"><h2 id="flow">Ended jobs <span class="dim">${count(flow.ended, "job")} in ${window_}${flow.failed ? `, ${number(flow.failed)} failed` : ""}</span></h2>
      ${!flow.complete && html`<p class="warning">Too many jobs ended to count them all: only those since <${Ago} time=${flow.since} /> count.</p>`}
      ${flow.read < flow.ended && html`<p class="dim">Latency and cost are of the latest ${count(flow.read, "job")}; the others are still loading.</p>`}
      <div class="halves">
        <${Chart} title="Throughput" unit=${`jobs per ${duration(flow.bucket_s * 1000)}`} times=${times} format=${(value) => number(value)}
          lines=${[{ title: "ended", colour: "--accent", bars: true, values: flow.buckets.map((bucket) => bucket.ended) },
            { title: "failed", colour: "--bad", bars: true, values: flow.buckets.map((bucket) => bucket.failed) }]} />
        <${Chart} title="Latency" unit="from queue to result" times=${times} format=${duration}
          lines=${[{ title: "p50", colour: "--accent", values: latency("p50") }, { title: "p95", colour: "--warn", values: latency("p95") }, { title: "p99", colour: "--bad", values: latency("p99") }]} />
      </div>
    </section>`;
}

function Lanes({ lanes }) {
  return html`
    <section class="card" aria-labelledby="lanes"><h2 id="lanes">Queues</h2>
      <div class="scroll plain" role="region" aria-label="Queues, table" tabindex="0"><table>
        <thead><tr><th scope="col">Lane</th><th scope="col" class="number">Waiting</th><th scope="col" class="number">In work</th><th scope="col" class="number">Delayed</th><th scope="col" class="number">Oldest</th></tr></thead>
        <tbody>${lanes.map((lane) => html`<tr key=${lane.name}><th scope="row">${lane.name}</th>
          <td class="number">${number(lane.waiting)}</td><td class="number">${number(lane.working)}</td><td class="number">${number(lane.delayed)}</td>
          <td class="number">${lane.oldest_s == null ? "–" : duration(lane.oldest_s * 1000)}</td></tr>`)}</tbody>
      </table></div>
    </section>`;
}

function Phases({ phases, all }) {
  const rows = [...Object.entries(phases), ...(all ? [["all", all]] : [])];
  return html`
    <section class="card" aria-labelledby="phases"><h2 id="phases">Time by phase</h2>
      <div class="scroll plain" role="region" aria-label="Time by phase, table" tabindex="0"><table>
        <thead><tr><th scope="col">Phase</th>${["p50", "p95", "p99"].map((name) => html`<th scope="col" class="number" key=${name}>${name}</th>`)}</tr></thead>
        <tbody>${rows.map(([name, times]) => html`<tr key=${name}><th scope="row">${name}</th>
          ${["p50", "p95", "p99"].map((one) => html`<td class="number" key=${one}>${duration(times[one])}</td>`)}</tr>`)}</tbody>
      </table></div>
    </section>`;
}

function Cost({ cost, window_ }) {
  return html`
    <section class="card" aria-labelledby="cost"><h2 id="cost">Cost <span class="dim">of the last ${window_}</span></h2>
      <table><thead class="hidden"><tr><th>Service</th><th>Cost</th></tr></thead>
        <tbody>${Object.entries(cost.by_service_usd).map(([name, amount]) => html`<tr key=${name}><th scope="row">${name}</th><td class="number">${usd(amount)}</td></tr>`)}
          <tr class="total"><th scope="row">all</th><td class="number">${usd(cost.total_usd)}</td></tr></tbody></table>
      <p class="dim">At us-east-1's list prices. Jobs of one batch share its time.</p>
    </section>`;
}

function Failures({ failures }) {
  if (!failures.length) return null;
  return html`
    <section class="card" aria-labelledby="failures"><h2 id="failures">Latest failures</h2>
      <div class="scroll plain" role="region" aria-label="Latest failures, table" tabindex="0"><table class="failures">
        <thead><tr><th scope="col">Job</th><th scope="col">Error</th><th scope="col">Found</th><th scope="col" class="number">When</th></tr></thead>
        <tbody>${failures.map((one) => html`<tr key=${one.job_id}><th scope="row"><a href=${address("job", one.job_id)}>${one.job_id}</a></th>
          <td><code class="code">${one.code}</code></td><td class="why">${one.message}</td><td class="number dim"><${Ago} time=${one.at} /></td></tr>`)}</tbody>
      </table></div>
    </section>`;
}
