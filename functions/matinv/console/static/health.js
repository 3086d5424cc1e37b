import { html } from "./html.js";
import { Loading } from "./parts.js";

export function Health() {
  return html`<${Loading} what="health" />`;
}
