// Heat maps: one cell per block, its largest magnitude on a log scale, drawn on a canvas.
import { html, useEffect, useRef, useState } from "./html.js";
import { get } from "./api.js";
import { useLoaded } from "./parts.js";
import { count } from "./words.js";


// Dark to bright, and told apart without colour; from matplotlib's viridis (CC0).
const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function colour(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (STOPS.length - 1);
  const [low, high] = [STOPS[Math.floor(at)], STOPS[Math.floor(at) + 1]];
  return low.map((value, index) => Math.round(value + (high[index] - value) * (at % 1)));
}

export function Heat({ id, of, slice, title, version }) {
  const loaded = useLoaded(
    () => get(`/api/job/picture?${new URLSearchParams({ id, of, slice })}`),
    [id, of, slice, version],
  );
  return html`
    <figure class="heat">
      <figcaption>${title}</figcaption>
      ${loaded.phase === "loading" && html`<div class="blank" role="status">Loading …</div>`}
      ${loaded.phase === "failed" && html`<${Missing} error=${loaded.error} again=${loaded.again} />`}
      ${loaded.phase === "loaded" && html`<${Picture} heat=${loaded.value} title=${title} />`}
    </figure>`;
}

function Missing({ error, again }) {
  const passing = ["STORAGE", "THROTTLED", "CONSOLE_ENDED"].includes(error.code);
  return html`<div class="blank"><p>${error.message}</p>${passing && html`
    <button type="button" class="small" onClick=${again}>Try again</button>`}</div>`;
}

function Picture({ heat, title }) {
  const canvas = useRef(null);
  const [spot, setSpot] = useState("");
  const values = heat.logs.flat().filter((log) => log !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const side = heat.logs.length;
  useEffect(() => draw(canvas.current, heat.logs, low, high), [heat]);
  const point = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const [row, column] = [event.clientY - box.top, event.clientX - box.left].map(
      (at) => Math.min(side - 1, Math.max(0, Math.floor((at / box.width) * side))),
    );
    setSpot(`${block(row, side, heat.n)}, ${block(column, side, heat.n)}: ${magnitude(heat.logs[row][column])}`);
  };
  const what = values.length
    ? `${title}: magnitudes from ${magnitude(low)} to ${magnitude(high)}`
    : `${title}: no numbers but zero`;
  return html`
    <canvas ref=${canvas} role="img" aria-label=${what} width=${side} height=${side}
      onMouseMove=${point} onMouseLeave=${() => setSpot("")} />
    <div class="legend"><span>${values.length ? magnitude(low) : ""}</span><span class="ramp" aria-hidden="true"></span>
      <span>${values.length ? magnitude(high) : ""}</span></div>
    <p class="dim small">${spot || reduced(heat)}</p>`;
}

const reduced = ({ n, logs }) =>
  logs.length < n ? `${count(logs.length, "block")} a side, the largest |a| of each` : "each element's magnitude";

// As numpy.linspace(0, n, side + 1) cuts.
function block(index, side, n) {
  const [begin, end] = [Math.floor((index * n) / side), Math.floor(((index + 1) * n) / side)];
  return end - begin > 1 ? `${begin}…${end - 1}` : `${begin}`;
}

const magnitude = (log) => (log === null ? "0" : (10 ** log).toExponential(1));

function draw(canvas, logs, low, high) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(logs.length, logs.length);
  logs.flat().forEach((log, index) => {
    const rgb = log === null ? [128, 128, 128] : colour(high > low ? (log - low) / (high - low) : 1);
    image.data.set([...rgb, log === null ? 60 : 255], 4 * index);
  });
  context.putImageData(image, 0, 0);
}
