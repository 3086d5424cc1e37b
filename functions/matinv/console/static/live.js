// The jobs as they go: one stream of events, kept as a map, passed on to each listener.

import { GONE } from "./api.js";

const listeners = new Set();
let source = null;
let rest = 0; // timer that closes the stream of a page that nobody sees

// phase: loading | live | trouble (the stack) | ended (the console)
export const live = { phase: "loading", jobs: new Map(), error: null, limit: 0, unread: 0, version: 0 };

const HIDDEN_MS = 60_000; // a page in the background then costs no more reads

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start() {
  source?.close();
  source = new EventSource("/api/live");
  source.addEventListener("all", (event) => {
    live.jobs = new Map();
    take(JSON.parse(event.data));
  });
  source.addEventListener("changed", (event) => take(JSON.parse(event.data)));
  source.addEventListener("recovered", () => tell({ phase: "live", error: null }));
  source.addEventListener("trouble", (event) => {
    tell({ phase: "trouble", error: JSON.parse(event.data).error });
  });
  source.onerror = () => tell({ phase: "ended", error: GONE }); // it tries again by itself
}

export function watchVisibility() {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(rest);
    if (document.hidden) {
      rest = setTimeout(() => {
        source?.close();
        source = null;
      }, HIDDEN_MS);
    } else if (!source) {
      start();
    }
  });
}

function take({ columns, rows, gone, limit, unread }) {
  for (const cells of rows) {
    const job = Object.fromEntries(columns.map((name, index) => [name, cells[index]]));
    live.jobs.set(job.job_id, job);
  }
  for (const id of gone) live.jobs.delete(id);
  tell({ phase: "live", error: null, limit: limit ?? live.limit, unread });
}

function tell(change) {
  Object.assign(live, change);
  live.version += 1;
  for (const listener of listeners) listener();
}
