// Numbers for people: a unit with its prefix, as many digits as can be read, a dash for what is missing.

const DASH = "–";
const THIN = "\u202f";
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"]];
export const FACTORS = { J: 1 / 3600, 1: 100 };
const PREFIXED = new Set(["W", "VA", "var", "V", "A", "Hz", "Wh", "B"]);

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
	const found = PREFIXES.find(([factor]) => size >= factor * 0.9995) ?? PREFIXES.at(-1);
	return { factor: found[0], unit: found[1] + unit };
}

/** {number, unit} of a value in its base unit. Joules become watt-hours, ratios per cent, Cel becomes °C. */
export function quantity(value, unit, figures = 3) {
	if (Number.isNaN(value ?? NaN)) return { number: DASH, unit: shown(unit) };
	const [size, base] = [value * (FACTORS[unit] ?? 1), shown(unit)];
	const best = prefix(Math.abs(size), base);
	return { number: digits(size / best.factor, figures), unit: best.unit };
}

export function text(value, unit, figures = 3) {
	const { number, unit: symbol } = quantity(value, unit, figures);
	return symbol && number !== DASH ? `${number}${THIN}${symbol}` : number;
}

export function shown(unit) {
	return { Cel: "°C", J: "Wh", 1: "%", By: "B" }[unit] ?? unit ?? "";
}

export function whole(value) {
	return Number.isFinite(value) ? grouped(String(Math.round(value))) : DASH;
}

/** Per cent of a ratio: 100 % only when nothing is missing. */
export function percent(ratio) {
	if (Number.isNaN(ratio ?? NaN)) return DASH;
	const rounded = Math.min(100, ratio * 100);
	if (ratio >= 0.99995) return `100${THIN}%`;
	return `${(Math.floor(rounded * 100) / 100).toFixed(rounded >= 10 ? 1 : 2)}${THIN}%`;
}

export function money(value, currency) {
	const amount = Number(value);
	if (Number.isNaN(Number(value ?? NaN))) return DASH;
	const decimals = Math.abs(amount) > 0 && Math.abs(amount) < 1 ? 3 : 2;
	return `${grouped(amount.toFixed(decimals))}${THIN}${currency || ""}`.trimEnd();
}

const SPANS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** A length of time in its largest two units: "2 h 05 min". */
export function duration(seconds) {
	if (!(seconds >= 1)) return latency(Math.max(0, seconds));
	const whole = Math.round(seconds);
	const at = SPANS.findIndex(([size]) => whole >= size);
	const [[size, unit], next] = [SPANS[at], SPANS[at + 1]];
	const rest = next ? Math.floor((whole % size) / next[0]) : 0;
	return `${Math.floor(whole / size)}${THIN}${unit}${rest ? ` ${String(rest).padStart(2, "0")}${THIN}${next[1]}` : ""}`;
}

export function latency(seconds) {
	if (Number.isNaN(seconds ?? NaN)) return DASH;
	return seconds < 1 ? `${digits(seconds * 1000, seconds < 0.01 ? 2 : 3)}${THIN}ms` : `${digits(seconds, 3)}${THIN}s`;
}

export const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
