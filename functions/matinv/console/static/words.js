// Numbers and times as people read them.

// A job's way.
export const STATES = ["QUEUED", "RUNNING", "RETRYING", "SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED", "EXPIRED"];
export const ENDED = new Set(STATES.slice(3));

export function bytes(count) {
  if (count == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toPrecision(3) : value} ${units[unit]}`;
}

export function duration(ms) {
  if (ms == null) return "–";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 2 : 1))} s`;
  if (ms < 3_600_000) return twice(ms, 60_000, "min", 1000, "s");
  if (ms < 86_400_000) return twice(ms, 3_600_000, "h", 60_000, "min");
  return `${(ms / 86_400_000).toFixed(1)} d`;
}

function twice(ms, unit, name, part, partName) {
  const parts = Math.round(ms / part);
  const [whole, rest] = [Math.floor(parts / (unit / part)), parts % (unit / part)];
  return rest ? `${whole} ${name} ${rest} ${partName}` : `${whole} ${name}`;
}

export function ago(iso, now = Date.now()) {
  if (!iso) return "–";
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function shape(dimensions) {
  return dimensions ? dimensions.join(" × ") : "–";
}

export function order(dimensions) {
  return dimensions?.length ? dimensions[dimensions.length - 1] : null;
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function usd(amount) {
  if (amount == null) return "–";
  if (amount === 0) return "$0";
  if (amount >= 0.1) return `$${amount.toFixed(2)}`;
  return amount < 1e-6 ? `$${amount.toExponential(1)}` : `$${Number(amount.toPrecision(2)).toFixed(8).replace(/0+$/, "")}`;
}
