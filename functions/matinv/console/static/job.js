// One job: how it went, how good its inverse is, how it looks, and how to have the same elsewhere.
import { html, useEffect, useState } from "./html.js";
import { about, get } from "./api.js";
import { Heat } from "./heat.js";
import { Ago, Copy, Fault, Loading, Status, Trouble, useLive, useLoaded } from "./parts.js";
import { address } from "./route.js";
import { ENDED, bytes, count, duration, shape, usd } from "./words.js";

export function Job({ id }) {
  const live = useLive();
  const row = live.jobs.get(id);
  const version = row ? `${row.status}${row.revision}` : "";
  const loaded = useLoaded(() => get(`/api/job?${new URLSearchParams({ id })}`), [id]);
  useEffect(() => { if (version) loaded.again(); }, [version]);
  return html`
    <section aria-label="Job">
      <p class="crumbs"><a href="#/jobs">Jobs</a> <span class="dim">/</span></p>
      <h1 class="id">${id}</h1>
      ${loaded.phase === "loading" && html`<${Loading} what="the job" />`}
      ${loaded.phase === "failed" && html`<${Trouble} what="The job cannot be shown" error=${loaded.error} again=${loaded.again} />`}
      ${loaded.phase === "loaded" && html`<${Shown} job=${loaded.value} version=${version} />`}
    </section>`;
}

function Shown({ job, version }) {
  const { record } = job;
  const ended = ENDED.has(record.status);
  return html`
    <p class="headline" aria-live="polite">
      <${Status} status=${record.status} />
      ${job.verdict && html`<strong>${job.verdict}</strong>`}
      ${!ended && html`<span class="dim">This page updates by itself.</span>`}
      ${ended && html`<span class="dim">ended <${Ago} time=${record.updated_at} /></span>`}
    </p>
    ${record.error && html`<${Fault} error=${record.error} />`}
    ${record.warnings && html`<p class="warning">${record.warnings.join(", ")}</p>`}
    ${record.error && html`<p><a class="button" href=${address("dead", "", { q: record.job_id })}>Show its dead letter</a></p>`}
    <div class="columns">
      <${Facts} job=${job} />
      <div>
        <${Timeline} job=${job} />
        ${job.explained.length > 0 && html`<${Certificate} job=${job} />`}
      </div>
    </div>
    ${record.slices && html`<${Slices} slices=${record.slices} />`}
    <${Pictures} job=${job} version=${version} />
    ${record.result && html`<${Downloads} record=${record} />`}
    <${Snippets} job=${job} />`;
}

function Facts({ job }) {
  const { record } = job;
  const facts = [
    ["Shape", shape(record.input.shape)],
    ["Type", record.input.dtype ?? "–"],
    ["Size", bytes(record.input.bytes)],
    ["From", record.input.source === "message" ? "a message" : record.input.source],
    ["Lane", job.lane ?? "–"],
    ["Attempts", record.attempts + (record.redrive ? `, redriven ${record.redrive} ×` : "")],
    ["Created", record.created_at ? html`<${Ago} time=${record.created_at} />` : "–"],
    ["Run", record.run ? html`<a href=${address("run", record.run)}>${record.run}</a>` : []],
    ["Cost", record.cost ? usd(record.cost.usd) : []],
    ["Tags", Object.entries(record.tags ?? {}).map(([key, value]) => html`<span class="tag" key=${key}>${key}=${value}</span>`)],
    ["Result", record.result ? `${record.result.format}, ${bytes(record.result.bytes)}, in ${record.result.uri ? "S3" : "the record"}` : "–"],
  ].filter(([, value]) => !Array.isArray(value) || value.length);
  return html`
    <section class="card" aria-labelledby="facts"><h2 id="facts">Facts</h2>
      <dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`;
}

const PHASES = [
  ["queued_ms", "Queued", "in the queue until the worker took it"],
  ["load_ms", "Load", "reading the matrix"],
  ["invert_ms", "Invert", "inverting and certifying"],
  ["publish_ms", "Publish", "writing the result"],
];

function Timeline({ job }) {
  const times = job.record.timings ?? {};
  const known = PHASES.filter(([name]) => name in times);
  const total = known.reduce((sum, [name]) => sum + times[name], 0);
  let begin = 0;
  const bars = known.map(([name, title, what]) => {
    const bar = { name, title, what, ms: times[name], begin, width: times[name] / (total || 1) };
    begin += bar.width;
    return bar;
  });
  return html`
    <section class="card" aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>
      ${bars.length === 0
        ? html`<p class="dim">${ENDED.has(job.record.status) ? "It ended before any phase was timed." : "No worker has taken it yet."}</p>`
        : html`<table class="timeline"><thead class="hidden"><tr><th>Phase</th><th>When</th><th>Time</th></tr></thead>
            <tbody>${bars.map((bar) => html`
              <tr key=${bar.name}><th scope="row" title=${bar.what}>${bar.title}</th>
                <td class="track"><span class="bar" data-phase=${bar.name}
                  style=${{ left: `${bar.begin * 100}%`, width: `max(2px, ${bar.width * 100}%)` }}></span></td>
                <td class="number">${duration(bar.ms)}</td></tr>`)}
              <tr class="total"><th scope="row">All</th><td></td><td class="number">${duration(total)}</td></tr></tbody></table>`}
    </section>`;
}

function determinant({ log_abs_det, sign }) {
  if (log_abs_det == null || sign == null) return [];
  const written = typeof sign === "number" ? `${sign}` : `${sign.re.toFixed(6)} ${sign.im < 0 ? "−" : "+"} ${Math.abs(sign.im).toFixed(6)}i`;
  return [["log |det A|", `${Number(log_abs_det.toPrecision(10))}`], ["sign of det A", written]];
}

function Certificate({ job }) {
  const { certificate } = job.record;
  return html`
    <section class="card" aria-labelledby="certificate"><h2 id="certificate">Certificate</h2>
      <p><strong>${job.verdict}</strong></p>
      ${job.explained.map((text) => html`<p key=${text}>${text}</p>`)}
      <dl class="facts inline">
        ${[["rcond₁", certificate.rcond_1.toExponential(2)], ["residual", certificate.residual.toPrecision(3)],
          ["side", certificate.side], ["digits", certificate.digits.toFixed(1)], ["method", certificate.method],
          ["routine", certificate.routine], ["checked", certificate.checked], ["scaled", certificate.scaled ? "yes" : "no"],
          ["regular", certificate.regular ? "proven" : "not proven"],
          ...(certificate.rank ? [["rank", certificate.rank]] : []),
          ...(certificate.gap ? [["gap", certificate.gap.toExponential(2)]] : []),
          ...determinant(certificate)]
          .map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
      </dl>
    </section>`;
}

function Slices({ slices }) {
  return html`
    <section class="card" aria-labelledby="slices"><h2 id="slices">Slices</h2>
      <p>${count(slices.count, "slice")}, ${slices.failed ? `${slices.failed.toLocaleString("en")} without an inverse` : "all inverted"}.</p>
      ${slices.failures.length > 0 && html`
        <div class="scroll" role="region" aria-label="Failed slices" tabindex="0"><table><thead><tr><th class="number">Slice</th><th>Error</th><th>Why</th></tr></thead>
          <tbody>${slices.failures.map((one) => html`
            <tr key=${one.index}><td class="number">${one.index}</td><td><code class="code">${one.code}</code></td><td>${one.message}</td></tr>`)}</tbody></table></div>
        ${slices.failed > slices.failures.length && html`<p class="dim">The first ${slices.failures.length} of them.</p>`}`}
    </section>`;
}

function Pictures({ job, version }) {
  const { record } = job;
  const [slice, setSlice] = useState(0);
  const slices = record.input.shape?.length === 3 ? record.input.shape[0] : 1;
  if (!job.kept && !record.result) return null;
  return html`
    <section class="card" aria-labelledby="pictures"><h2 id="pictures">Magnitudes <span class="dim">log scale</span></h2>
      ${slices > 1 && html`<label class="field inline">Slice
        <input type="number" min="0" max=${slices - 1} value=${slice}
          onInput=${(event) => setSlice(Math.min(slices - 1, Math.max(0, Number.parseInt(event.target.value, 10) || 0)))} />
        <span class="dim">of 0 to ${slices - 1}</span></label>`}
      <div class="heats">
        ${job.kept
          ? html`<${Heat} id=${record.job_id} of="a" slice=${slice} version=${version} title="A" />`
          : html`<figure class="heat"><figcaption>A</figcaption><div class="blank"><p>This matrix travelled inside a message, which is not kept. Drop a larger one, or upload it to the inputs bucket, to see it here.</p></div></figure>`}
        ${record.result && html`<${Heat} id=${record.job_id} of="x" slice=${slice} version=${version} title="A⁻¹" />`}
      </div>
    </section>`;
}

function Downloads({ record }) {
  const formats = useLoaded(about, []).value?.formats ?? {};
  const link = (format) => `/api/job/result?${new URLSearchParams({ id: record.job_id, format })}`;
  return html`
    <section class="card" aria-labelledby="downloads"><h2 id="downloads">Download the inverse</h2>
      <p class="buttons">${Object.entries(formats).map(([name, title]) => html`<a class="button" href=${link(name)} download>${title}</a> `)}</p>
    </section>`;
}

function Snippets({ job }) {
  return html`
    <section class="card" aria-labelledby="snippets"><h2 id="snippets">The same from a program</h2>
      <${Snippet} title="Command" text=${job.command} />
      <${Snippet} title="Python with boto3" text=${job.python} />
    </section>`;
}

function Snippet({ title, text }) {
  return html`<div class="snippet"><header><h3>${title}</h3><${Copy} text=${text} label=${`Copy: ${title}`} /></header>
    <pre tabindex="0" role="region" aria-label=${title}><code>${text}</code></pre></div>`;
}
