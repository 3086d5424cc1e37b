// New jobs: files that are dropped anywhere on the page, and small matrices that are pasted.
import { html, useEffect, useState } from "./html.js";
import { about, upload } from "./api.js";
import { Dialog, Fault, useLoaded } from "./parts.js";
import { address } from "./route.js";
import { bytes, count } from "./words.js";

const AT_ONCE = 3; // browsers open six connections to a host, and the stream has one of them

const METHODS = { auto: "as it fits", general: "general (LU)", spd: "positive definite (Cholesky)", pinv: "pseudo-inverse" };

// The files of this page's life: waiting | sending | sent | failed.
export function useUploads() {
  const [files, setFiles] = useState([]);
  const amend = (key, part) => setFiles((now) => now.map((one) => (one.key === key ? { ...one, ...part } : one)));
  useEffect(() => {
    const free = AT_ONCE - files.filter((one) => one.phase === "sending").length;
    for (const one of files.filter((file) => file.phase === "waiting").slice(0, Math.max(0, free))) {
      amend(one.key, { phase: "sending" });
      upload(one.query, one.content, (share) => amend(one.key, { share })).then(
        (answer) => amend(one.key, { phase: "sent", share: 1, ...answer }),
        (error) => amend(one.key, { phase: "failed", error }),
      );
    }
  }, [files]);
  const add = (added, options = {}) => setFiles((now) => [
    ...added.map((content, index) => ({
      key: `${Date.now()}-${now.length + index}`, name: content.name, size: content.size, content, share: 0,
      phase: "waiting", query: new URLSearchParams([["name", content.name], ...optionsOf(options)]),
    })),
    ...now,
  ]);
  return { files, add, clear: () => setFiles((now) => now.filter((one) => ["waiting", "sending"].includes(one.phase))) };
}

function optionsOf({ method, job_id, tags = "" }) {
  const pairs = [["method", method], ["job_id", job_id], ...tags.split(",").map((tag) => ["tag", tag.trim()])];
  return pairs.filter(([, value]) => value);
}

export function useDrop(add) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const enter = (event) => { if (holds(event)) { event.preventDefault(); setOver(true); } };
    const leave = (event) => { if (!event.relatedTarget) setOver(false); };
    const drop = (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      setOver(false);
      add([...event.dataTransfer.files]);
    };
    const events = { dragenter: enter, dragover: enter, dragleave: leave, drop };
    for (const [name, act] of Object.entries(events)) window.addEventListener(name, act);
    return () => { for (const [name, act] of Object.entries(events)) window.removeEventListener(name, act); };
  }, []);
  return over;
}

export function Tray({ files, clear }) {
  if (!files.length) return null;
  const done = files.filter((one) => one.phase === "sent").length;
  const failed = files.filter((one) => one.phase === "failed").length;
  return html`
    <aside class="tray" aria-label="Files">
      <header><h2 aria-live="polite">${done} of ${count(files.length, "file")} sent${failed ? `, ${failed} refused` : ""}</h2>
        <button type="button" class="small" onClick=${clear}>Clear</button></header>
      <ul>${files.map((one) => html`<${File} key=${one.key} file=${one} />`)}</ul>
    </aside>`;
}

function File({ file }) {
  return html`
    <li data-phase=${file.phase}>
      <div class="line"><span class="name" title=${file.name}>${file.name}</span><span class="dim">${bytes(file.size)}</span>
        ${file.phase === "sent" && html`<a href=${address("job", file.job_id)}>open</a>`}</div>
      ${file.phase === "failed"
        ? html`<${Fault} error=${file.error} />`
        : html`<progress max="1" value=${file.share} aria-label=${`Upload of ${file.name}`}></progress>`}
    </li>`;
}

export function Submit({ close, add, opened }) {
  const [options, setOptions] = useState({ method: "", job_id: "", tags: "" });
  const [text, setText] = useState("");
  const [state, setState] = useState({});
  const set = (name) => (event) => setOptions({ ...options, [name]: event.target.value });
  const endings = useLoaded(about, []).value?.endings ?? [];
  const send = async (event) => {
    event.preventDefault();
    setState({ sending: true });
    try {
      const { job_id } = await upload(new URLSearchParams(optionsOf(options)), matrixText(text), () => {});
      close();
      opened(job_id);
    } catch (error) {
      setState({ error });
    }
  };
  const choose = (event) => {
    add([...event.target.files], { ...options, job_id: event.target.files.length === 1 ? options.job_id : "" });
    close();
  };
  return html`
    <${Dialog} title="Submit" close=${close}>
      <form onSubmit=${send}>
        <label class="field">Matrix
          <textarea rows="7" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)}
            placeholder=${"1 2\n3 4\n\nor JSON: [[1, 2], [3, 4]]"}></textarea></label>
        <p class="dim small" aria-live="polite">${measured(text)}</p>
        <div class="fields">
          <label class="field">Method
            <select value=${options.method} onChange=${set("method")}>
              ${Object.entries(METHODS).map(([name, what]) => html`<option value=${name === "auto" ? "" : name}>${what}</option>`)}</select></label>
          <label class="field">Job id <span class="dim">optional</span>
            <input value=${options.job_id} onInput=${set("job_id")} autocomplete="off" /></label>
          <label class="field">Tags <span class="dim">key=value, …</span>
            <input value=${options.tags} onInput=${set("tags")} autocomplete="off" /></label>
        </div>
        ${state.error && html`<div role="alert"><${Fault} error=${state.error} /></div>`}
        <footer><label class="button">Choose files …<input class="hidden" type="file" multiple accept=${endings.join()} onChange=${choose} /></label>
          <button class="primary" disabled=${!text.trim() || state.sending}>Submit the matrix</button></footer>
      </form>
    <//>`;
}

// Rows of numbers become JSON without reading them: reading could round them.
export function matrixText(text) {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) return trimmed;
  const rows = trimmed.split(/[\n;]+/).map((row) => row.trim().split(/[\s,]+/).filter(Boolean)).filter((row) => row.length);
  return `[${rows.map((row) => `[${row.map(numeral).join(",")}]`).join(",")}]`;
}

// JSON wants digits on both sides of a point, and no plus before them.
function numeral(text) {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(e[+-]?\d+)?$/i.exec(text);
  if (!match || !(match[2] || match[3])) return JSON.stringify(text);
  const [, sign, whole, part, power] = match;
  return `${sign === "-" ? "-" : ""}${whole.replace(/^0+(?=\d)/, "") || "0"}${part ? `.${part}` : ""}${power ?? ""}`;
}

function measured(text) {
  if (!text.trim()) return "Rows of numbers, separated by blanks, commas or tabs.";
  try {
    const value = JSON.parse(matrixText(text));
    const rows = Array.isArray(value) ? value : value.matrix;
    if (Array.isArray(rows?.[0]?.[0])) return `A stack of ${count(rows.length, "slice")}.`;
    const widths = new Set(rows.map((row) => row.length));
    return widths.size === 1 ? `${rows.length} × ${[...widths][0]}.` : "The rows have different lengths.";
  } catch {
    return "Not yet a matrix.";
  }
}
