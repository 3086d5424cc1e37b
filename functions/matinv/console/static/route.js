// The address says what is shown, so that any view can be linked: #/jobs?state=FAILED&q=fem

export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "runs", id: decodeURIComponent(rest.join("/")), query: new URLSearchParams(query) };
}

export function address(view, id = "", query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given).toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

export function go(where) {
  location.hash = where;
}

// Typing in a filter makes no history.
export function amend(where) {
  history.replaceState(null, "", where);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
