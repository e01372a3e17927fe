// The chart of one series: a line for the mean, a band from least to most, hatching where nothing was measured.

import uPlot from "../vendor/uplot.esm.js";
import { cursor, fitted, timeAxis, tzDate, valueAxis } from "./axes.js";
import { framed } from "./dom.js";
import { hatching } from "./hatch.js";
import { colour, faint, onTheme } from "./palette.js";

const FROM_ZERO = new Set(["W", "J", "VA", "A", "1", "By"]);

export class Trace {
	/** `onCursor({time, mean, min, max})` hears where it is. */
	constructor(box, onCursor) {
		this.box = box;
		this.onCursor = onCursor;
		this.chart = null;
		this.unit = "";
		this.window = [0, 1];
		this.gaps = [];
		this.columns = [[], [], [], []];
		this.draw = framed(() => this.#draw());
		onTheme(() => this.#rebuild());
		fitted(box, (width) => (this.chart ? this.chart.setSize({ width, height: this.#height() }) : this.#rebuild()));
	}

	/** `curve` is of curves.js, `window` [start, end] in seconds. */
	show(curve, unit, window) {
		this.columns = [curve.times, curve.max, curve.min, curve.mean];
		this.gaps = curve.gaps;
		this.window = window;
		const same = unit === this.unit && this.chart;
		this.unit = unit;
		if (same) this.draw();
		else this.#rebuild();
	}

	#height() {
		return this.box.clientWidth < 560 ? 240 : 340;
	}

	#range(low, high) {
		if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
		const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.08;
		return [FROM_ZERO.has(this.unit) && low >= 0 ? 0 : low - room, high + room];
	}

	#rebuild() {
		this.chart?.destroy();
		this.chart = null;
		if (!this.box.clientWidth) return;
		const edge = { stroke: "transparent", width: 0, points: { show: false } };
		const line = { stroke: colour("trace"), width: 1.75, points: { show: false, size: 4, fill: colour("trace"), filter: lonely } };
		this.chart = new uPlot(
			{
				width: this.box.clientWidth,
				height: this.#height(),
				padding: [12, 22, 0, 0],
				legend: { show: false },
				cursor: cursor({ show: (_chart, index) => (index === 3 ? undefined : false), size: 7, fill: colour("trace") }),
				tzDate,
				series: [{}, edge, edge, line],
				bands: [{ series: [1, 2], fill: faint("trace", 0.22) }],
				axes: [timeAxis(), valueAxis(this.unit)],
				scales: { x: { time: true, range: () => this.window }, y: { range: (_chart, low, high) => this.#range(low, high) } },
				plugins: [hatching(() => this.gaps)],
				hooks: { setCursor: [(chart) => this.onCursor(this.#at(chart.cursor.idx))] },
			},
			this.columns,
			this.box,
		);
	}

	#at(index) {
		const [times, max, min, mean] = this.columns;
		return { time: times[index], max: max[index] ?? null, min: min[index] ?? null, mean: mean[index] ?? null };
	}

	#draw() {
		if (this.chart) this.chart.setData(this.columns);
		else this.#rebuild();
	}
}

/** Samples without a neighbour have no line to be seen by: they get a dot. */
function lonely(chart, index) {
	const column = chart.data[index];
	const found = [];
	for (let i = 0; i < column.length; i++) {
		if (column[i] !== null && (column[i - 1] ?? null) === null && (column[i + 1] ?? null) === null) found.push(i);
	}
	return found.length ? found : null;
}
