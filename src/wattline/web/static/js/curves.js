// From rows of the API to curves: which samples belong together, where the line breaks, what is a gap.

import { instant, number } from "./api.js";

const SHORTEST_GAP = 10; // seconds; three periods where they are more, as in the ledger

/** Key of a series: what rows and lists of series have in common. */
export function keyOf({ device, metric, labels }) {
	const pairs = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
	return JSON.stringify([device, metric, pairs]);
}

/** Whether a series counts joules: it is drawn as the watts between its samples. */
export const isEnergy = ({ unit, kind }) => unit === "J" && (kind === "counter" || kind === "delta");

export const unitOf = (series) => (isEnergy(series) ? "W" : series.unit);

export const holdOf = ({ period }) => Math.max(SHORTEST_GAP, 3 * (number(period) || 0));

export function bySeries(rows) {
	const found = new Map();
	for (const row of rows) {
		const key = keyOf(row);
		let one = found.get(key);
		if (!one) found.set(key, (one = { times: [], values: [] }));
		one.times.push(instant(row.time));
		one.values.push(typeof row.value === "string" ? textOrNumber(row.value) : number(row.value));
	}
	return found;
}

function textOrNumber(value) {
	const found = number(value);
	return Number.isNaN(found) && value !== "NaN" ? value : found;
}

/** The same samples in the unit in which they are drawn: registers become the watts since the sample before. */
export function drawn({ times, values }, series) {
	if (!isEnergy(series)) return { times, values };
	const watts = values.map((value, i) => {
		if (i === 0) return NaN;
		const passed = times[i] - times[i - 1];
		if (series.kind === "delta") return value / passed;
		const gained = value - values[i - 1];
		return (gained < 0 ? gained + (number(series.range) || NaN) : gained) / passed;
	});
	return { times, values: watts };
}

/** The curve {times, mean, min, max, gaps} of samples, null where it breaks; `until` is where knowledge ends. */
export function fromSamples(samples, series, window, until) {
	const { times, values } = drawn(samples, series);
	const curve = { times: [], mean: [], min: [], max: [], gaps: [] };
	const hold = holdOf(series);
	let last = NaN;
	for (let i = 0; i < times.length; i++) {
		if (times[i] - last > hold) {
			gap(curve, last, times[i]);
			if (isEnergy(series)) values[i] = NaN; // the energy is known, its shape is not
		}
		const value = Number.isFinite(values[i]) ? values[i] : null;
		push(curve, times[i], value, null, null);
		last = times[i];
	}
	return ended(curve, last, hold, window, until);
}

/** A curve from roll-ups of `step` seconds: each bucket stands in its middle. */
export function fromCells(rows, series, step, window, until) {
	const curve = { times: [], mean: [], min: [], max: [], gaps: [] };
	const energy = isEnergy(series);
	let last = NaN;
	for (const row of rows) {
		const start = instant(row.time);
		const covered = number(row.coverage) * step;
		const mean = energy ? number(row.joules) / covered : number(row.mean);
		if (!Number.isFinite(mean) || (energy && covered <= 0)) continue;
		if (start > last) gap(curve, last, start);
		push(curve, start + step / 2, mean, energy ? null : number(row.min), energy ? null : number(row.max));
		last = start + step;
	}
	return ended(curve, last, Math.max(step, holdOf(series)), window, until);
}

function push(curve, time, mean, min, max) {
	curve.times.push(time);
	curve.mean.push(mean);
	curve.min.push(min);
	curve.max.push(max);
}

function gap(curve, from, to) {
	curve.gaps.push([from, to]);
	push(curve, (from + to) / 2, null, null, null);
}

function ended(curve, last, hold, [, end], until) {
	if (Number.isFinite(last) && Math.min(end, until) - last > hold) curve.gaps.push([last, Math.min(end, until)]);
	return curve;
}

/** Least and most of what a curve shows from `start` on; NaN where it shows nothing. */
export function extent({ times, mean, min, max }, start) {
	let low = NaN;
	let high = NaN;
	mean.forEach((value, i) => {
		if (value === null || times[i] < start) return;
		const least = min[i] ?? value;
		const most = max[i] ?? value;
		if (!(low <= least)) low = least;
		if (!(high >= most)) high = most;
	});
	return { low, high };
}
