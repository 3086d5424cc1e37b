// The table of jobs.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { start } from "./live.js";
import { Ago, Empty, Loading, Status, Trouble, useEvery, useLive } from "./parts.js";
import { address, amend, go } from "./route.js";
import { STATES, count, duration, order, shape } from "./words.js";

const PAGE = 50; // rows in the document, however many jobs there are

const COLUMNS = [
  { name: "job_id", title: "Job" },
  { name: "status", title: "State" },
  { name: "n", title: "n", number: true, of: (job) => order(job.shape) },
  { name: "dtype", title: "Type" },
  { name: "digits", title: "Digits", number: true },
  { name: "work_ms", title: "Time", number: true },
  { name: "lane", title: "Lane" },
  { name: "updated_at", title: "Updated", number: true },
];

export function Jobs({ query, openSubmit }) {
  const live = useLive();
  return html`
    <section aria-label="Jobs">
      <h1 class="hidden">Jobs</h1>
      ${live.phase === "loading" ? html`<${Loading} what="jobs" />`
        : live.error && !live.jobs.size ? html`<${Trouble} what="Jobs cannot be read" error=${live.error} again=${start} />`
        : html`<${Found} live=${live} query=${query} openSubmit=${openSubmit} />`}
    </section>`;
}

function Found({ live, query, openSubmit }) {
  const [, redraw] = useState(0);
  useEvery(10_000, () => redraw((times) => times + 1)); // ages go on
  const filter = filterOf(query);
  const found = useMemo(() => chosen(live.jobs, filter), [live.version, query.toString()]);
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const page = Math.min(filter.page, pages);
  const change = (part) => amend(address("jobs", "", { ...Object.fromEntries(query), page: "", ...part }));
  return html`
    <${Filters} jobs=${live.jobs} filter=${filter} change=${change} />
    ${live.jobs.size === 0
      ? html`<${Empty} title="No jobs yet">
          <p>Drop files that hold matrices anywhere on this page, or</p>
          <button type="button" class="primary" onClick=${openSubmit}>Paste a matrix</button>
        <//>`
      : found.length === 0
        ? html`<${Empty} title="No job matches">
            <button type="button" onClick=${() => go(address("jobs"))}>Clear the filters</button>
          <//>`
        : html`<${Table} jobs=${found.slice((page - 1) * PAGE, page * PAGE)} filter=${filter} change=${change} />`}
    ${found.length > 0 && html`
      <${Pages} page=${page} pages=${pages} total=${found.length} all=${live.jobs.size} limit=${live.limit} unread=${live.unread}
        turn=${(to) => change({ page: to > 1 ? to : "" })} />`}`;
}

function filterOf(query) {
  return {
    state: query.get("state") ?? "",
    code: query.get("code") ?? "",
    tag: query.get("tag") ?? "",
    q: query.get("q") ?? "",
    sort: query.get("sort") ?? "-updated_at",
    page: Math.max(1, Number.parseInt(query.get("page"), 10) || 1),
  };
}

function chosen(jobs, { state, code, tag, q, sort }) {
  const text = q.trim().toLowerCase();
  const found = [];
  for (const job of jobs.values()) {
    if (state && job.status !== state) continue;
    if (code && job.code !== code) continue;
    if (tag && !tagsOf(job).includes(tag)) continue;
    if (text && !`${job.job_id} ${job.note ?? ""} ${job.dtype ?? ""} ${tagsOf(job).join(" ")}`.toLowerCase().includes(text)) continue;
    found.push(job);
  }
  const name = sort.replace(/^-/, "");
  const of = COLUMNS.find((column) => column.name === name)?.of ?? ((job) => job[name]);
  const sign = sort.startsWith("-") ? -1 : 1;
  return found.sort((a, b) => compared(of(a), of(b), sign) || (a.job_id < b.job_id ? -1 : 1));
}

// What has no value stands last, whichever way.
function compared(a, b, sign) {
  if (a === b) return 0;
  if (a == null || a === "") return 1;
  if (b == null || b === "") return -1;
  return a < b ? -sign : sign;
}

const tagsOf = (job) => Object.entries(job.tags ?? {}).map(([key, value]) => `${key}=${value}`);

function counted(jobs, pick) {
  const counts = new Map();
  for (const job of jobs.values()) for (const value of pick(job)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function Filters({ jobs, filter, change }) {
  const states = counted(jobs, (job) => [job.status]);
  const codes = [...counted(jobs, (job) => (job.code ? [job.code] : [])).keys(), filter.code];
  const tags = [...counted(jobs, tagsOf).keys(), filter.tag];
  return html`
    <form class="filters" role="search" aria-label="Filter jobs" onSubmit=${(event) => event.preventDefault()}>
      <div class="tabs" role="group" aria-label="State">
        ${["", ...STATES].map((state) => html`
          <button type="button" key=${state} aria-pressed=${filter.state === state} data-status=${state}
            disabled=${state && !states.get(state) && filter.state !== state} onClick=${() => change({ state })}>
            ${state ? state.toLowerCase() : "all"} <span class="count">${(state ? states.get(state) ?? 0 : jobs.size).toLocaleString("en")}</span>
          </button>`)}
      </div>
      <${Choice} label="Error" all="any error" value=${filter.code} values=${codes} change=${(code) => change({ code })} />
      <${Choice} label="Tag" all="any tag" value=${filter.tag} values=${tags} change=${(tag) => change({ tag })} />
      <input type="search" id="filter" aria-label="Search in ids, tags and errors" placeholder="Search  ( / )"
        value=${filter.q} onInput=${(event) => change({ q: event.target.value })} />
    </form>`;
}

function Choice({ label, all, value, values, change }) {
  const sorted = [...new Set(values)].filter(Boolean).sort();
  if (!sorted.length) return null;
  return html`
    <select aria-label=${label} value=${value} onChange=${(event) => change(event.target.value)}>
      <option value="">${all}</option>
      ${sorted.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
    </select>`;
}

function Table({ jobs, filter, change }) {
  return html`
    <div class="scroll" role="region" aria-label="Table of jobs" tabindex="0">
      <table class="jobs" onKeyDown=${arrows}>
        <thead><tr>${COLUMNS.map((column) => html`<${Heading} key=${column.name} column=${column} filter=${filter} change=${change} />`)}</tr></thead>
        <tbody>${jobs.map((job) => html`<${Line} key=${job.job_id} job=${job} />`)}</tbody>
      </table>
    </div>`;
}

// Up and down go from row to row; Enter opens, as on any link.
function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const links = [...event.currentTarget.querySelectorAll("th.id a")];
  const next = links[links.indexOf(document.activeElement) + step];
  if (next && links.includes(document.activeElement)) {
    event.preventDefault();
    next.focus();
  }
}

function Heading({ column, filter, change }) {
  const down = filter.sort === `-${column.name}`;
  const up = filter.sort === column.name;
  const next = down ? column.name : `-${column.name}`;
  return html`
    <th scope="col" class=${column.number ? "number" : ""} data-column=${column.name}
      aria-sort=${down ? "descending" : up ? "ascending" : "none"}>
      <button type="button" class="plain" onClick=${() => change({ sort: next })}>
        ${column.title}<span aria-hidden="true">${down ? " ↓" : up ? " ↑" : ""}</span>
      </button>
    </th>`;
}

export function Line({ job }) {
  const link = address("job", job.job_id);
  const row = useRef(null);
  const before = useRef(job.status);
  useEffect(() => {
    if (before.current !== job.status) row.current.classList.add("changed");
    before.current = job.status;
  }, [job.status]);
  return html`
    <tr ref=${row} onClick=${() => go(link)} onAnimationEnd=${() => row.current.classList.remove("changed")}>
      <th scope="row" class="id"><a href=${link} onClick=${(event) => event.stopPropagation()}>${job.job_id}</a>
        ${job.note && html`<span class="note" title=${job.note}>${job.note}</span>`}
        ${tagsOf(job).map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</th>
      <td><${Status} status=${job.status} /></td>
      <td class="number" data-label="n" title=${shape(job.shape)}>${order(job.shape)?.toLocaleString("en") ?? "–"}${job.shape?.length === 3 ? html`<span class="dim"> ×${job.shape[0]}</span>` : ""}</td>
      <td class="dim">${job.dtype ?? "–"}</td>
      <td class="number" data-label="digits">${job.digits == null ? "–" : job.digits.toFixed(1)}</td>
      <td class="number">${duration(job.work_ms)}</td>
      <td class="dim">${job.lane ?? "–"}</td>
      <td class="number dim"><${Ago} time=${job.updated_at} /></td>
    </tr>`;
}

function Pages({ page, pages, total, all, limit, unread, turn }) {
  const first = (page - 1) * PAGE + 1;
  const last = Math.min(total, page * PAGE);
  return html`
    <nav class="pages" aria-label="Pages">
      <span aria-live="polite">${first.toLocaleString("en")}–${last.toLocaleString("en")} of ${count(total, "job")}
        ${all >= limit ? html`<span class="dim"> (the latest ${limit.toLocaleString("en")})</span>` : ""}</span>
      ${unread > 0 && html`<span class="dim">Details of ${count(unread, "job")} are still loading.</span>`}
      ${pages > 1 && html`
        <button type="button" class="small" disabled=${page === 1} onClick=${() => turn(page - 1)}>Previous</button>
        <button type="button" class="small" disabled=${page === pages} onClick=${() => turn(page + 1)}>Next</button>`}
    </nav>`;
}
