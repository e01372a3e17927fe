// The page Now: what the site draws, moving every second.

import { ask, exactly, instant, number } from "./api.js";
import { clock } from "./calendar.js";
import { bySeries, drawn, holdOf, keyOf } from "./curves.js";
import { $, el, show, write } from "./dom.js";
import { examples } from "./examples.js";
import { Grid } from "./grid.js";
import { meterLine, stateOf } from "./meter.js";
import { counted, money, percent, quantity, text } from "./quantity.js";
import { Ranking } from "./ranking.js";
import { frame, pageOf, site } from "./shell.js";
import { Stack } from "./stack.js";

const MINUTES = 15;
const SHOWN = 12; // rows of the ranking before "show all"
const SKIPPED = 3; // seconds between two events that are one step, not a gap
const RAW_ROWS = 20_000; // of history: more is asked for in steps of 10 s
const ASKED_AT_ONCE = 50; // devices in one question
const MOST_SILENT = 6;
const HEALTH_EVERY = 10_000;

const grid = new Grid(MINUTES * 60);
const ranking = new Ranking($("#ranking"));
let stack = null;
let devices = new Map(); // what /api/devices says, by name
let known = ""; // the roots that the chart shows
let now = null;
let cursor = null;
let type = "";
let all = false;

/** Devices whose watts add up to the site: no ancestor of theirs is metered. */
function roots(current) {
	const metered = new Set(current.devices.map((one) => one.device));
	return current.devices.filter(({ device, parent }) => {
		const seen = new Set([device]);
		for (let up = parent; up && !seen.has(up); up = devices.get(up)?.parent) {
			if (metered.has(up)) return false;
			seen.add(up);
		}
		return true;
	});
}

function hear(answer) {
	now = answer;
	figures(answer);
	const any = answer.devices.length > 0;
	show($("#picture"), any);
	show($("#empty"), !any);
	show($("#hero"), any);
	health(answer);
	if (!any) return;
	tick(answer);
	rank();
}

function figures({ time, watts, estimated, estimated_watts: part, kwh_today, cost_today, currency, coverage_today, devices: list }) {
	const site = quantity(number(watts), "W", 4);
	write($("#watts"), site.number);
	write($("#watts-unit"), site.unit);
	show($("#badge"), estimated);
	write($("#badge"), `${part < watts ? text(part, "W") + " " : ""}estimated`);
	write($("#energy"), text(number(kwh_today) * 3.6e6, "J", 4));
	show($("#cost-figure"), cost_today !== null && cost_today !== undefined);
	write($("#cost"), money(cost_today, currency));
	write($("#coverage"), percent(number(coverage_today)));
	write($("#freshness"), `${counted(list.length, "device")} · ${clock(instant(time))}`);
	document.title = `${site.number} ${site.unit} · Wattline`;
}

function tick(answer) {
	const slot = Math.floor(instant(answer.time));
	const top = roots(answer);
	const before = grid.head;
	grid.advance(slot);
	const from = before > 0 && slot - before <= SKIPPED ? Math.min(before + 1, slot) : slot;
	for (const { device, watts } of top) {
		for (let at = from; at <= slot; at++) grid.set(device, at, number(watts));
	}
	const names = top.map((one) => one.device).sort().join("\n");
	if (names !== known) {
		known = names;
		fill(top);
	}
	if (cursor === null) legend(grid.head);
	stack?.draw();
}

/** Put the last minutes of the store under what the stream gives; then the chart shows both. */
async function fill(top) {
	const names = top.map((one) => one.device);
	order(names);
	try {
		devices = new Map((await ask("/api/devices")).map((one) => [one.device, one]));
		const chosen = names.map((name) => devices.get(name)?.power).filter(Boolean);
		for (let i = 0; i < chosen.length; i += ASKED_AT_ONCE) await history(chosen.slice(i, i + ASKED_AT_ONCE), chosen.length);
	} catch {
		return; // The next change of devices, or connection, asks again.
	}
	stack.forget();
	order(names);
	stack.draw();
}

async function history(chosen, count) {
	const step = count * MINUTES * 60 > RAW_ROWS ? 10 : null;
	const rows = await ask("/api/samples", {
		device: chosen.map((one) => exactly(one.device)),
		metric: [...new Set(chosen.map((one) => exactly(one.metric)))],
		start: grid.head - MINUTES * 60,
		end: grid.head + 1,
		step,
	});
	const found = bySeries(step ? rows.map((row) => ({ ...row, value: watts(row, step) })) : rows);
	for (const one of chosen) {
		const samples = found.get(keyOf(one));
		if (!samples) continue;
		const { times, values } = step ? samples : drawn(samples, one);
		grid.fill(one.device, times, values, holdOf(one));
	}
}

const watts = ({ joules, coverage }, step) => (number(coverage) > 0 ? number(joules) / (number(coverage) * step) : null);

/** Largest on average first: the order stays when values cross for a moment. */
function order(names) {
	const mean = new Map(
		names.map((name) => {
			const values = grid.row(name).filter((value) => !Number.isNaN(value));
			return [name, values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0];
		}),
	);
	stack ??= new Stack($("#chart"), grid, (slot) => legend((cursor = slot) ?? grid.head));
	if (stack.show([...names].sort((a, b) => mean.get(b) - mean.get(a) || (a < b ? -1 : 1)))) buildLegend();
}

let keys = [];

function buildLegend() {
	keys = stack.groups.map((group) => {
		const value = el("span", { class: "value" });
		const swatch = el("span", { class: "swatch" });
		swatch.style.setProperty("--swatch", `var(--${group.colour})`);
		const name = group.devices.length === 1 ? el("a", { href: pageOf(group.name), text: group.name }) : el("span", { text: group.name });
		return { group, value, node: el("li", {}, swatch, name, value) };
	});
	$("#legend").replaceChildren(...keys.map((key) => key.node));
}

function legend(slot) {
	for (const { group, value } of keys) write(value, text(stack.watts(group, slot), "W"));
	write($("#chart-time"), cursor === null ? "" : clock(slot));
}

function rank() {
	const types = [...new Set(now.devices.map((one) => one.type).filter(Boolean))].sort();
	if (type && !types.includes(type)) type = "";
	chips(types);
	const wanted = now.devices.filter((one) => !type || one.type === type);
	ranking.show(all ? wanted : wanted.slice(0, SHOWN));
	show($("#more"), wanted.length > SHOWN);
	write($("#more"), all ? "Show fewer" : `Show all ${wanted.length}`);
}

function chips(types) {
	const box = $("#types");
	const wanted = types.length > 1 ? ["", ...types] : [];
	if (box.dataset.types !== wanted.join()) {
		box.dataset.types = wanted.join();
		box.replaceChildren(
			...wanted.map((one) => el("button", { type: "button", text: one || "all", dataset: { type: one }, on: { click: () => rank((type = one)) } })),
		);
	}
	for (const button of box.children) button.setAttribute("aria-pressed", button.dataset.type === type);
}

let told = "";
let toldAt = 0;

/** The meters in short; before the first sample what is being waited for, or how to begin. */
async function health({ meters, devices: { length } }) {
	const sum = JSON.stringify([meters, length > 0]);
	if (sum === told && Date.now() - toldAt < HEALTH_EVERY) return;
	[told, toldAt] = [sum, Date.now()];
	const list = await ask("/api/meters").catch(() => null);
	if (list === null) return;
	if (length) return inShort(meters, list);
	$("#empty").replaceChildren(
		...(list.length
			? [el("h2", { text: "No watts yet" }), el("p", { text: "What the meters say appears here by itself." }), el("div", { class: "examples" }, ...list.slice(0, MOST_SILENT).map(meterLine))]
			: [el("h2", { text: "No meters yet" }), el("p", { text: "Start Wattline with the address of a meter, and its watts appear here." }), examples()]),
	);
}

function inShort(meters, list) {
	const tally = el("p", { class: "tally" });
	for (const [state, count] of Object.entries(meters)) {
		if (count || state === "speaking") tally.append(el("span", { class: "meter-state" }, el("span", { class: `dot ${state}` }), el("strong", { text: count }), state));
	}
	const by = (state) => list.filter((one) => stateOf(one) === state);
	$("#health").replaceChildren(tally, ...[...by("silent"), ...by("waiting")].slice(0, MOST_SILENT).map(meterLine));
}

$("#more").addEventListener("click", () => {
	all = !all;
	rank();
});

site();
frame({
	onNow: hear,
	onBack: () => {
		known = ""; // what the stream missed is in the store
		grid.clear();
	},
});
