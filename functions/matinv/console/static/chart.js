// Charts over time: uPlot on a canvas, in the page's colours, and the numbers as a table for all.
/* global uPlot */
import { html, useEffect, useRef, useState } from "./html.js";

const HEIGHT = 180;

export function themeChanged() {
  window.dispatchEvent(new Event("matinv-theme"));
}

// lines: [{ title, values, colour: a custom property, bars: whether to draw bars }]
export function Chart({ title, times, lines, unit, format }) {
  const place = useRef(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const redraw = () => setTheme((times_) => times_ + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", redraw);
    window.addEventListener("matinv-theme", redraw);
    return () => {
      system.removeEventListener("change", redraw);
      window.removeEventListener("matinv-theme", redraw);
    };
  }, []);
  const chart = useRef(null);
  const data = [times, ...lines.map((line) => line.values)];
  useEffect(() => {
    const element = place.current; // by the time of a late event it may be gone from `place`
    const drawn = new uPlot(options({ lines, width: element.clientWidth, format }), data, element);
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    chart.current = drawn;
    return () => {
      resized.disconnect();
      drawn.destroy();
      chart.current = null;
    };
  }, [theme]);
  useEffect(() => chart.current?.setData(data), [JSON.stringify(data)]);
  return html`
    <figure class="chart">
      <figcaption>${title} <span class="dim">${unit}</span></figcaption>
      <div ref=${place} class="plot" aria-hidden="true"></div>
      <details><summary>The numbers</summary>
        <div class="scroll" role="region" aria-label=${`${title}, as a table`} tabindex="0"><table>
          <thead><tr><th scope="col">From</th>${lines.map((line) => html`<th scope="col" class="number" key=${line.title}>${line.title}</th>`)}</tr></thead>
          <tbody>${times.map((time, index) => html`<tr key=${time}><th scope="row">${clock(time)}</th>
            ${lines.map((line) => html`<td class="number" key=${line.title}>${line.values[index] == null ? "–" : format(line.values[index])}</td>`)}</tr>`)}</tbody>
        </table></div></details>
    </figure>`;
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const minute = (seconds) => clock(seconds).slice(0, 5);

function options({ lines, width, format }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const shown = (_, value) => (value == null ? "–" : format(value));
  return {
    width,
    height: HEIGHT,
    cursor: { points: { show: false } },
    scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(minute) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(format) }],
    series: [{ value: (_, time) => (time == null ? "–" : clock(time)) }, ...lines.map((line) => ({
      label: line.title,
      stroke: colour(line.colour),
      fill: line.bars ? colour(line.colour) : undefined,
      width: line.bars ? 0 : 1.5,
      points: { show: !line.bars, size: 4 },
      paths: line.bars ? uPlot.paths.bars({ size: [0.8, 40] }) : undefined,
      value: shown,
    }))],
  };
}
