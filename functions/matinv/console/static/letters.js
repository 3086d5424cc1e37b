// Dead letters: why they are there, and back to work with other options.
import { html, useEffect, useMemo, useState } from "./html.js";
import { about, get, post } from "./api.js";
import { Ago, Dialog, Empty, Fault, Loading, Trouble, useLoaded } from "./parts.js";
import { address, amend } from "./route.js";
import { count } from "./words.js";

const SHOWN = 200; // rows in the document

const CHANGES = {
  method: { title: "Method", values: { auto: "as it fits", general: "general (LU)", spd: "positive definite", pinv: "pseudo-inverse" } },
  accuracy: { title: "Accuracy", values: { standard: "standard", verified: "verified: each element proven" } },
  on_ill_conditioned: { title: "If ill-conditioned", values: { warn: "warn", fail: "fail" } },
  output: { title: "Result goes to", values: { auto: "as it fits", s3: "S3", dynamodb: "the record" } },
};

export function Letters({ query }) {
  const loaded = useLoaded(() => get("/api/dead-letters"), []);
  const [chosen, setChosen] = useState(new Set());
  const [asking, setAsking] = useState(null); // redrive | delete
  const [said, setSaid] = useState(null);
  const code = query.get("code") ?? "";
  const q = query.get("q") ?? "";
  const letters = loaded.value?.letters ?? [];
  const found = useMemo(() => letters.filter((one) => fits(one, code, q)), [loaded.value, code, q]);
  useEffect(() => setChosen((now) => new Set(letters.map((one) => one.message_id).filter((id) => now.has(id)))), [loaded.value]);
  const change = (part) => amend(address("dead", "", { code, q, ...part }));
  const ended = (answer) => {
    setAsking(null);
    setSaid(answer);
    setChosen(new Set());
    loaded.again();
  };
  return html`
    <section aria-label="Dead letters">
      <div class="title"><h1>Dead letters</h1>
        <button type="button" class="small" onClick=${loaded.again}>Refresh</button></div>
      ${loaded.phase === "loading" && html`<${Loading} what="dead letters" />`}
      ${loaded.phase === "failed" && html`<${Trouble} what="The dead-letter queue cannot be read" error=${loaded.error} again=${loaded.again} />`}
      <div aria-live="polite">${said && html`<${Outcome} said=${said} />`}</div>
      ${loaded.phase === "loaded" && (letters.length === 0
        ? html`<${Empty} title="No dead letters"><p>Jobs that fail for good end up here, with the reason.</p><//>`
        : html`
          <${Reasons} reasons=${loaded.value.reasons} code=${code} change=${change} q=${q} />
          <${Chosen} found=${found} chosen=${chosen} setChosen=${setChosen} ask=${setAsking} />
          ${found.length === 0
            ? html`<${Empty} title="No letter matches"><button type="button" onClick=${() => change({ code: "", q: "" })}>Clear the filters</button><//>`
            : html`<${Table} letters=${found.slice(0, SHOWN)} chosen=${chosen} setChosen=${setChosen} />`}
          ${found.length > SHOWN && html`<p class="dim">The first ${SHOWN} of ${count(found.length, "letter")}; selecting all selects every one.</p>`}
          ${loaded.value.more && html`<p class="warning">There are more than ${letters.length.toLocaleString("en")}; these are the ones that were looked at.</p>`}`)}
      ${asking === "redrive" && html`<${Redrive} ids=${[...chosen]} close=${() => setAsking(null)} ended=${ended} />`}
      ${asking === "delete" && html`<${Delete} letters=${letters.filter((one) => chosen.has(one.message_id))} close=${() => setAsking(null)} ended=${ended} />`}
    </section>`;
}

function fits(letter, code, q) {
  if (code && (letter.code ?? "UNKNOWN") !== code) return false;
  const tags = Object.entries(letter.tags).map(([key, value]) => `${key}=${value}`);
  return [...letter.job_ids, letter.message ?? "", letter.source ?? "", ...tags].join(" ").toLowerCase().includes(q.trim().toLowerCase());
}

function Reasons({ reasons, code, change, q }) {
  const total = Object.values(reasons).reduce((sum, number) => sum + number, 0);
  return html`
    <form class="filters" role="search" aria-label="Filter dead letters" onSubmit=${(event) => event.preventDefault()}>
      <div class="tabs" role="group" aria-label="Reason">
        ${[["", total], ...Object.entries(reasons)].map(([one, number]) => html`
          <button type="button" key=${one} aria-pressed=${code === one} onClick=${() => change({ code: one })}>
            ${one || "all"} <span class="count">${number.toLocaleString("en")}</span></button>`)}
      </div>
      <input type="search" id="filter" aria-label="Search in ids, tags and reasons" placeholder="Search  ( / )"
        value=${q} onInput=${(event) => change({ q: event.target.value })} />
    </form>`;
}

function Chosen({ found, chosen, setChosen, ask }) {
  const all = found.length > 0 && found.every((one) => chosen.has(one.message_id));
  const turn = () => setChosen(new Set(all ? [] : found.map((one) => one.message_id)));
  return html`
    <div class="bar">
      <label class="check"><input type="checkbox" checked=${all} onChange=${turn} /> Select all ${found.length.toLocaleString("en")}</label>
      <span class="dim" aria-live="polite">${chosen.size ? `${chosen.size.toLocaleString("en")} selected` : ""}</span>
      <button type="button" class="primary" disabled=${!chosen.size} onClick=${() => ask("redrive")}>Redrive …</button>
      <button type="button" disabled=${!chosen.size} onClick=${() => ask("delete")}>Delete …</button>
    </div>`;
}

function Table({ letters, chosen, setChosen }) {
  const turn = (id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };
  return html`
    <div class="scroll" role="region" aria-label="Table of dead letters" tabindex="0">
      <table class="letters">
        <thead><tr><th scope="col"><span class="hidden">Select</span></th><th scope="col">Job</th><th scope="col">Reason</th><th scope="col">Found</th><th scope="col" class="number">Sent</th></tr></thead>
        <tbody>${letters.map((one) => html`
          <tr key=${one.message_id} class=${chosen.has(one.message_id) ? "chosen" : ""}>
            <td><input type="checkbox" aria-label=${`Select ${one.job_ids.join(", ") || one.message_id}`}
              checked=${chosen.has(one.message_id)} onChange=${() => turn(one.message_id)} /></td>
            <th scope="row" class="id">${one.job_ids.map((id) => html`<a key=${id} href=${address("job", id)}>${id}</a> `)}
              ${Object.entries(one.tags).map(([key, value]) => html`<span class="tag" key=${key}>${key}=${value}</span>`)}</th>
            <td><code class="code">${one.code ?? "UNKNOWN"}</code></td>
            <td class="why">${one.message ?? "–"}${one.problem && html`<span class="note">Cannot be sent back: submit a corrected message, and delete this letter.</span>`}</td>
            <td class="number dim"><${Ago} time=${one.sent_at} /></td>
          </tr>`)}</tbody>
      </table>
    </div>`;
}

function Redrive({ ids, close, ended }) {
  const [changes, setChanges] = useState({});
  const [state, setState] = useState({});
  const set = (name) => (event) => {
    const { [name]: _, ...others } = changes;
    setChanges(event.target.value ? { ...others, [name]: event.target.value } : others);
    setState({});
  };
  const formats = useLoaded(about, []).value?.formats ?? {};
  const order = async (dry_run) => {
    setState({ busy: true });
    try {
      const answer = await post("/api/dead-letters/redrive", { message_ids: ids, changes, dry_run });
      if (dry_run) setState({ dry: answer });
      else ended(answer);
    } catch (error) {
      setState({ error });
    }
  };
  const choices = { ...CHANGES, format: { title: "Format", values: formats } };
  return html`
    <${Dialog} title=${`Redrive ${count(ids.length, "dead letter")}`} close=${close}>
      <p>Each job is sent back to the jobs queue and done once more${Object.keys(changes).length ? ", with these options" : ", as it was"}. Its letter leaves this queue.</p>
      <div class="fields">${Object.entries(choices).map(([name, { title, values }]) => html`
        <label class="field" key=${name}>${title}
          <select value=${changes[name] ?? ""} onChange=${set(name)}>
            <option value="">the job's own</option>
            ${Object.entries(values).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select></label>`)}
      </div>
      <div aria-live="polite">
        ${state.dry && html`<${Outcome} said=${state.dry} dry=${true} />`}
        ${state.error && html`<${Fault} error=${state.error} />`}
      </div>
      <footer><button type="button" disabled=${state.busy} onClick=${() => order(true)}>Dry run</button>
        <button type="button" class="primary" disabled=${state.busy} onClick=${() => order(false)}>Redrive ${ids.length.toLocaleString("en")}</button></footer>
    <//>`;
}

const NAMED = 8; // letters in a sentence

const nameOf = (letter) => letter.job_ids.join(", ") || `message ${letter.message_id}`;

function Delete({ letters, close, ended }) {
  const [state, setState] = useState({});
  const order = async () => {
    setState({ busy: true });
    try {
      ended(await post("/api/dead-letters/delete", { message_ids: letters.map((one) => one.message_id) }));
    } catch (error) {
      setState({ error });
    }
  };
  return html`
    <${Dialog} title=${`Delete ${count(letters.length, "dead letter")}`} close=${close}>
      <p>You cannot undo this: the jobs can no longer be redriven. Their records stay, with the reason.</p>
      <ul class="names">${letters.slice(0, NAMED).map((one) => html`<li key=${one.message_id}>${nameOf(one)}</li>`)}
        ${letters.length > NAMED && html`<li class="dim">and ${count(letters.length - NAMED, "other")}</li>`}</ul>
      <div aria-live="polite">${state.error && html`<${Fault} error=${state.error} />`}</div>
      <footer><button type="button" onClick=${close}>Keep them</button>
        <button type="button" class="primary danger" disabled=${state.busy} onClick=${order}>Delete ${letters.length.toLocaleString("en")}</button></footer>
    <//>`;
}

function Outcome({ said, dry }) {
  const gone = said.gone.length ? ` ${count(said.gone.length, "letter")} no longer there.` : "";
  if (said.deleted) return html`<div class="outcome"><p>${count(said.deleted.length, "letter")} deleted.${gone}</p></div>`;
  const refused = said.done.filter((one) => one.problem);
  const sent = said.done.length - refused.length;
  return html`
    <div class="outcome">
      <p>${count(sent, "letter")} ${dry ? "would be sent back" : "sent back"}${refused.length ? `, ${refused.length.toLocaleString("en")} cannot be` : ""}.${gone}</p>
      ${refused.slice(0, NAMED).map((one) => html`<div key=${one.message_id}><h3 class="name">${nameOf(one)}</h3><${Fault} error=${one.problem} /></div>`)}
      ${refused.length > NAMED && html`<p class="dim">and ${count(refused.length - NAMED, "other")} that cannot be sent back</p>`}
    </div>`;
}
