// The page Device: one device over any period; without a name, the list of all.

import { address, ask, exactly, instant, number } from "./api.js";
import { PERIODS, around, clock, fromInput, since, stamp, step, title, toInput } from "./calendar.js";
import { bySeries, drawn, extent, fromCells, fromSamples, isEnergy, keyOf, unitOf } from "./curves.js";
import { $, copier, el, show, write } from "./dom.js";
import { fill as fillFigures } from "./figures.js";
import { Forest } from "./forest.js";
import { counted, duration, quantity, text } from "./quantity.js";
import { Ranking } from "./ranking.js";
import { frame, pageOf, site } from "./shell.js";
import { Trace } from "./trace.js";

const STEPS = [10, 60, 300, 900, 3600, 21600, 86400];
const MOST_SAMPLES = 1200; // a longer list comes as roll-ups
const MOST_CELLS = 1450;
const STATE_SECONDS = 600; // of a text only the newest is shown
const DEEPEST = 12;
const FEW_GAPS = 5;
const MOST_GAPS = 200;
const OWN = "custom";
const LATEST_EVERY = 2; // seconds between looks at the newest values

const query = new URLSearchParams(location.search);
const name = query.get("name");
const wish = query.get("period");
const view = { period: PERIODS[wish] || wish === OWN ? wish : "hour", at: null, from: NaN, to: NaN };
let about = {}; // of the store: its oldest sample
let device = null;
let all = [];
let list = [];
let chosen = null;
let meters = new Set(); // that read this device
let trace = null;
let parts = null;
let forest = null;
let due = 0;
let latestDue = 0;
let turn = 0; // an answer to an older question is dropped
let curve = null;
let curl = "";
let opened = false;

const seconds = () => Date.now() / 1000;

function asked() {
	return view.period === OWN ? { start: view.from, end: view.to } : around(view.period, view.at, seconds());
}

/** Seconds of a roll-up, or null where the samples themselves are few enough. */
function resolution({ start, end }) {
	if (chosen.kind === "state") return null;
	const length = end - start;
	const period = number(chosen.period) || 1;
	if (length / period <= MOST_SAMPLES) return null;
	return STEPS.find((one) => length / one <= MOST_CELLS) ?? STEPS.at(-1);
}

function question({ start, end }, span) {
	const from = chosen.kind === "state" ? Math.max(start, end - STATE_SECONDS) : start;
	return { device: exactly(name), metric: exactly(chosen.metric), start: from, end, step: span };
}

async function load() {
	if (!chosen) return;
	const mine = ++turn;
	const pane = asked();
	const until = Math.min(pane.end, seconds());
	const span = resolution(pane);
	due = seconds() + (span ? Math.min(60, Math.max(5, span / 2)) : Math.max(1, (pane.end - pane.start) / 120));
	heading(pane, span);
	try {
		const [rows, outages] = await Promise.all([
			// A line begins at the edge, a register at a sample: some before the window are needed.
			ask("/api/samples", question({ start: span ? pane.start : pane.start - 2 * (number(chosen.period) || 1), end: until }, span)),
			ask("/api/outages", { start: pane.start, end: until }).catch(() => []),
		]);
		if (mine !== turn) return;
		picture(rows, span, pane, until);
		gaps(outages);
	} catch (error) {
		if (mine === turn && error.status) note(error.message);
	}
	energy(pane, until, mine);
}

function picture(rows, span, { start, end }, until) {
	const own = keyOf(chosen);
	const pair = [start, end];
	const found = span ? rows.filter((row) => keyOf(row) === own) : (bySeries(rows).get(own) ?? { times: [], values: [] });
	const texts = chosen.kind === "state";
	curve = texts ? { times: [], mean: [], min: [], max: [], gaps: [] } : span ? fromCells(found, chosen, span, pair, until) : fromSamples(found, chosen, pair, until);
	if (!texts) lead(start, until);
	trace ??= new Trace($("#chart"), cursor);
	trace.show(curve, unitOf(chosen), pair);
	const seen = curve.mean.some((value) => value !== null);
	note(texts ? `A text has no curve. At the end of this period it is: ${found.values.at(-1) ?? "not heard"}.` : seen ? "" : "No samples in this period.");
	describe(pair, seen);
}

/** Time before the first sample is a gap only where the store knew of anything then. */
function lead(start, until) {
	const oldest = instant(about.oldest);
	const first = curve.times[0] ?? until;
	const from = Math.max(start, Number.isFinite(oldest) ? oldest : Infinity);
	if (first - from > Math.max(10, 3 * (number(chosen.period) || 0))) curve.gaps.unshift([from, first]);
}

function note(message) {
	show($("#chart-note"), message !== "");
	write($("#chart-note"), message);
}

function describe([start, end], seen) {
	const { low, high } = extent(curve, start);
	const unit = unitOf(chosen);
	const range = seen ? `from ${text(low, unit)} to ${text(high, unit)}` : "without a sample";
	$("#chart").setAttribute("aria-label", `${chosen.metric} of ${name}, ${stamp(start)} to ${stamp(end)}: ${range}, ${counted(curve.gaps.length, "gap")}.`);
}

function cursor(point) {
	if (point.mean === null) return write($("#cursor"), "");
	const unit = unitOf(chosen);
	const band = point.min === null ? "" : ` (${text(point.min, unit)} – ${text(point.max, unit)})`;
	const { start, end } = asked();
	write($("#cursor"), `${end - start > 86400 ? stamp(point.time) : clock(point.time)}  ${text(point.mean, unit, 4)}${band}`);
}

function gaps(outages) {
	const list = curve.gaps.slice(-MOST_GAPS).reverse();
	show($("#gaps-card"), list.length > 0);
	const all = curve.gaps.reduce((sum, [from, to]) => sum + to - from, 0);
	write($("#gaps-sum"), curve.gaps.length > 1 ? `${curve.gaps.length}, ${duration(all)} in all` : "");
	const now = seconds();
	const lines = list.map(([from, to]) =>
		el("li", {}, `${since(from, now)} – ${now - to < 2 ? "now" : since(to, now)}, ${duration(to - from)}`, el("small", { text: reason(outages, from, to) })),
	);
	$("#gaps").replaceChildren(...lines.slice(0, FEW_GAPS));
	$("#gaps-older").replaceChildren(...lines.slice(FEW_GAPS));
	show($("#gaps-more"), lines.length > FEW_GAPS);
}

/** The outage of a meter of this device that covers most of a gap. */
function reason(outages, from, to) {
	let best = "";
	let most = 0;
	for (const one of outages) {
		if (!meters.has(one.meter)) continue;
		const start = instant(one.start);
		const end = one.end === null ? Infinity : instant(one.end);
		const shared = Math.min(to, end) - Math.max(from, start);
		if (shared > most) [most, best] = [shared, [one.cause, one.detail].filter(Boolean).join(": ")];
	}
	return best;
}

async function energy({ start }, until, mine) {
	const source = device.energy ?? device.power;
	const { low, high } = curve && chosen.device === name ? extent(curve, start) : {};
	const unit = chosen ? unitOf(chosen) : "";
	let found = null;
	if (until > start) {
		const answer = await ask("/api/energy", { device: exactly(name), start, end: until, ...(source && { metric: exactly(source.metric) }) }).catch(() => null);
		found = (source ? answer?.series?.find((one) => keyOf(one) === keyOf(source)) : answer?.total) ?? null;
	}
	if (mine === turn) fillFigures($("#figures"), { energy: found, seconds: until - start, low, high, unit });
}

function heading({ start, end }, span) {
	write($("#when"), title(view.period, start, end, seconds()));
	write($("#series-title"), [chosen.metric, ...labelled(chosen), isEnergy(chosen) ? "as power" : ""].join(" "));
	const live = view.period !== OWN && view.at === null;
	show($("#today"), !live && view.period !== OWN);
	$("#later").disabled = live;
	for (const button of [$("#earlier"), $("#later")]) show(button, view.period !== OWN);
	for (const button of $("#periods").children) button.setAttribute("aria-pressed", button.dataset.period === view.period);
	show($("#custom"), view.period === OWN);
	const wanted = question({ start, end: Math.min(end, seconds()) }, span);
	for (const edge of ["start", "end"]) wanted[edge] = new Date(wanted[edge] * 1000).toISOString();
	$("#csv").href = address("/api/samples", { ...wanted, format: "csv" });
	$("#csv").download = `${name}-${chosen.metric}.csv`;
	curl = `curl '${address("/api/samples", wanted).href.replaceAll("'", "%27")}'`;
	remember();
}

function remember() {
	const state = new URLSearchParams({ name, period: view.period });
	if (view.at !== null) state.set("at", view.at.toFixed(0));
	if (view.period === OWN) for (const key of ["from", "to"]) state.set(key, view[key].toFixed(0));
	if (chosen && !chosen.isDefault) state.set("series", chosen.id);
	history.replaceState(null, "", `/device?${state}`);
}

function choosePeriod(period) {
	if (period === OWN) {
		const { start, end } = asked();
		[view.from, view.to] = [start, Math.min(end, seconds())];
		$("#from").value = toInput(view.from);
		$("#to").value = toInput(view.to);
	} else view.at = null;
	view.period = period;
	load();
}

function move(way) {
	if (view.period === OWN || (way > 0 && view.at === null)) return;
	view.at = step(view.period, view.at, seconds(), way);
	load();
}

const labelled = ({ device, labels }) => [...(device === name ? [] : [device]), ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)];

function describeDevice() {
	document.title = `${name} · Wattline`;
	write($("#name"), name);
	const badges = device.type ? [el("span", { class: "badge", text: device.type })] : [];
	if (device.estimated) badges.push(el("span", { class: "badge estimated", text: "estimated" }), el("span", { class: "quiet-text", text: (device.power ?? device.energy).estimate }));
	$("#badges").replaceChildren(...badges);
	const above = [];
	for (let up = device.parent; up && up !== name && above.length < DEEPEST; up = all.find((one) => one.device === up)?.parent) above.unshift(el("a", { href: pageOf(up), text: up }));
	$("#crumbs").replaceChildren(...above);
	show($("#crumbs"), above.length > 0);
}

function seriesList() {
	$("#series").replaceChildren(
		...list.map((one) => {
			const input = el("input", { type: "radio", name: "series", on: { change: () => choose(one) } });
			input.checked = one === chosen;
			one.value = el("span", { class: "watts", dataset: { fresh: "" }, text: "–" });
			const badge = one.estimated ? el("span", { class: "badge estimated", text: "estimated", title: one.estimate }) : null;
			return el("label", {}, input, el("span", { class: "name" }, one.metric, el("small", { text: [isEnergy(one) ? `${one.kind}, as power` : one.kind, ...labelled(one)].join(" · ") }), " ", badge), one.value);
		}),
	);
}

function choose(one) {
	chosen = one;
	trace?.chart?.setCursor({ left: -10, top: -10 });
	load();
}

async function latest() {
	const slowest = Math.max(5, ...list.map((one) => number(one.period) || 0));
	const rows = await ask("/api/samples", { device: exactly(name), start: seconds() - 3 * slowest }).catch(() => []);
	const found = bySeries(rows);
	for (const one of list) {
		const samples = found.get(keyOf(one));
		const value = samples ? drawn(samples, one).values.at(-1) : NaN;
		write(one.value, typeof value === "string" ? value : text(value, unitOf(one), 4));
	}
}

function hear(now) {
	if (forest) return forest.hear(now);
	const mine = now.devices.find((one) => one.device === name);
	if (!device) return mine && opened && begin();
	const watts = quantity(mine ? number(mine.watts) : NaN, "W", 4);
	write($("#watts"), watts.number);
	write($("#watts-unit"), watts.unit);
	const children = now.devices.filter((one) => one.parent === name || device.sum_of.includes(one.device));
	show($("#children-card"), children.length > 0);
	if (children.length) (parts ??= new Ranking($("#children"))).show(children);
	const live = view.period !== OWN && (view.at === null || asked().end > seconds());
	if (live && seconds() >= due) load();
	if (seconds() >= latestDue) {
		latestDue = seconds() + LATEST_EVERY;
		latest();
	}
}

function absent(head, body) {
	show($("#missing"), true);
	$("#missing").replaceChildren(el("h2", { text: head }), el("p", { text: body }), el("a", { href: "/device", text: "All devices" }));
}

function controls() {
	for (const [period, { label }] of [...Object.entries(PERIODS), [OWN, { label: "Custom" }]]) {
		$("#periods").append(el("button", { type: "button", text: label, dataset: { period }, on: { click: () => choosePeriod(period) } }));
	}
	$("#earlier").addEventListener("click", () => move(-1));
	$("#later").addEventListener("click", () => move(1));
	$("#today").addEventListener("click", () => choosePeriod(view.period));
	$("#custom").addEventListener("submit", (event) => {
		event.preventDefault();
		const [from, to] = [fromInput($("#from").value), fromInput($("#to").value)];
		$("#to").setCustomValidity(to > from ? "" : "The end comes after the start.");
		if (!$("#custom").reportValidity()) return;
		[view.from, view.to] = [from, to];
		load();
	});
	$("#to").addEventListener("input", () => $("#to").setCustomValidity(""));
	$("#curl").append(copier("Copy as curl", () => curl));
}

/** What the address of the page asks for: period, instant, series. */
function recall() {
	const given = (key) => Number(query.get(key) ?? NaN);
	if (Number.isFinite(given("at"))) view.at = given("at");
	if (view.period === OWN) {
		[view.from, view.to] = [given("from"), given("to")];
		if (!(view.to > view.from)) view.period = "hour";
		else [$("#from").value, $("#to").value] = [toInput(view.from), toInput(view.to)];
	}
	const usual = list.find((one) => (device.power ? one.id === device.power.id : unitOf(one) === "W"));
	const first = usual ?? list[0] ?? null;
	if (first) first.isDefault = true;
	chosen = list.find((one) => String(one.id) === query.get("series")) ?? first;
}

async function open() {
	const [known, devices, series, health] = await Promise.all([site(), ask("/api/devices"), ask("/api/series", { device: exactly(name) }), ask("/api/meters")]);
	meters = new Set(health.filter((one) => one.devices.includes(name)).map((one) => one.name));
	about = { oldest: known.store?.oldest };
	all = devices;
	device = all.find((one) => one.device === name);
	if (!device) return absent(`There is no device ${name}`, "It may have another name, or nothing has been heard of it yet.");
	list = series.filter((one) => one.device === name || device.sum_of[0]);
	show($("#missing"), false);
	show($("#device"), true);
	describeDevice();
	recall();
	seriesList();
	if (!chosen) return note("It has no series of its own.");
	return load();
}

async function begin() {
	opened = false;
	await open().catch((error) => absent("The device cannot be shown now", error.message));
	opened = true;
}

if (name === null) {
	show($("#index"), true);
	document.title = "Devices · Wattline";
	site();
	forest = new Forest($("#tree"), $("#find"), $("#tree-note"));
	frame({ onNow: hear, onBack: () => forest.load() });
} else {
	controls();
	const periods = Object.fromEntries(Object.keys(PERIODS).map((period, i) => [String(i + 1), () => choosePeriod(period)]));
	frame({ onNow: hear, onBack: () => (device ? load() : begin()), keys: { ArrowLeft: () => move(-1), ArrowRight: () => move(1), Home: () => choosePeriod(view.period), ...periods } });
	begin();
}
