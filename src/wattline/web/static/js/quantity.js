// Numbers for people: a unit with its prefix, as many digits as can be read, a dash for what is missing.

const DASH = "–";
const THIN = "\u202f";
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"]];
const PREFIXED = new Set(["W", "VA", "var", "V", "A", "Hz", "Wh"]);

/** Digits after the point that give `figures` figures in all. */
function places(size, figures) {
  if (size === 0) return 0;
  return Math.max(0, Math.min(6, figures - 1 - Math.floor(Math.log10(size))));
}

function grouped(text) {
  const [whole, part] = text.split(".");
  if (whole.replace("-", "").length < 5) return text;
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return part === undefined ? spaced : `${spaced}.${part}`;
}

export function digits(value, figures = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? DASH : value > 0 ? "∞" : "−∞";
  return grouped(value.toFixed(places(Math.abs(value), figures))).replace("-", "−");
}

/** The factor and the prefix in which a size of `unit` reads best. */
export function prefix(size, unit) {
  if (!PREFIXED.has(unit) || !(size > 0)) return { factor: 1, unit };
  const low = unit === "V" || unit === "A" ? PREFIXES.length : 4;
  const found = PREFIXES.slice(0, low).find(([factor]) => size >= factor * 0.9995) ?? PREFIXES[low - 1];
  return { factor: found[0], unit: found[1] + unit };
}

/** {number, unit} of a value in its base unit. Joules become watt-hours, ratios per cent, Cel becomes °C. */
export function quantity(value, unit, figures = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return { number: DASH, unit: shown(unit) };
  const [size, base] = unit === "J" ? [value / 3600, "Wh"] : unit === "1" ? [value * 100, "%"] : [value, unit];
  if (base === "By") return bytes(size, figures);
  const best = prefix(Math.abs(size), base);
  return { number: digits(size / best.factor, figures), unit: shown(best.unit) };
}

export function text(value, unit, figures = 3) {
  const { number, unit: symbol } = quantity(value, unit, figures);
  return symbol && number !== DASH ? `${number}${THIN}${symbol}` : number;
}

/** How a base unit is written on a screen. */
export function shown(unit) {
  return { Cel: "°C", J: "Wh", 1: "%", By: "B" }[unit] ?? unit ?? "";
}

function bytes(size, figures) {
  const [factor, unit] = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([step]) => Math.abs(size) >= step) ?? [1, "B"];
  return { number: digits(size / factor, factor === 1 ? 1 : figures), unit };
}

/** A count. */
export function whole(value) {
  return Number.isFinite(value) ? grouped(String(Math.round(value))) : DASH;
}

/** Per cent of a ratio: 100 % only when nothing is missing. */
export function percent(ratio) {
  if (ratio === null || ratio === undefined || Number.isNaN(ratio)) return DASH;
  const rounded = Math.min(100, ratio * 100);
  if (ratio >= 0.99995) return `100${THIN}%`;
  return `${(Math.floor(rounded * 100) / 100).toFixed(rounded >= 10 ? 1 : 2)}${THIN}%`;
}

export function money(value, currency) {
  const amount = Number(value);
  if (value === null || value === undefined || Number.isNaN(amount)) return DASH;
  const decimals = Math.abs(amount) > 0 && Math.abs(amount) < 1 ? 3 : 2;
  return `${grouped(amount.toFixed(decimals))}${THIN}${currency || ""}`.trimEnd();
}

/** A length of time in its largest two units: "2 h 05 min". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return DASH;
  if (seconds < 0) return duration(0);
  if (seconds < 1) return `${digits(seconds * 1000, 2)}${THIN}ms`;
  if (seconds < 60) return `${Math.round(seconds)}${THIN}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${THIN}min${pad(whole % 60, "s")}`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}${THIN}h${pad(Math.floor((whole % 3600) / 60), "min")}`;
  return `${Math.floor(whole / 86400)}${THIN}d${pad(Math.floor((whole % 86400) / 3600), "h")}`;
}

function pad(rest, unit) {
  return rest ? ` ${String(rest).padStart(2, "0")}${THIN}${unit}` : "";
}

/** A short span such as a latency, in milliseconds or seconds. */
export function latency(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return DASH;
  return seconds < 1 ? `${digits(seconds * 1000, seconds < 0.01 ? 2 : 3)}${THIN}ms` : `${digits(seconds, 3)}${THIN}s`;
}
