// The stacked chart: watts of the site's devices, the largest at the bottom, the small ones together as "others".

import uPlot from "../vendor/uplot.esm.js";
import { cursor, fitted, timeAxis, tzDate, valueAxis } from "./axes.js";
import { framed } from "./dom.js";
import { hatching } from "./hatch.js";
import { BANDS, OTHERS, colour, faint, onTheme } from "./palette.js";

const UNSETTLED = 4; // seconds before the newest that an event may still change
const LEAST_WIDTH = 30; // seconds shown when there is hardly any history

export class Stack {
	/** `onCursor(slot|null)` hears where the pointer is. */
	constructor(box, grid, onCursor) {
		this.box = box;
		this.grid = grid;
		this.onCursor = onCursor;
		this.groups = []; // [{name, devices, colour}], the bottom one first
		this.devices = [];
		this.gaps = [];
		this.summed = -1; // the newest slot in `sums`, rings of slots as in the grid: one for each group, cumulative
		this.sums = [];
		this.missing = new Uint8Array(0); // by slot: a device that had spoken is missing
		this.begun = new Set(); // devices that have spoken
		this.chart = null;
		this.draw = framed(() => this.#draw());
		onTheme(() => this.#rebuild());
		fitted(box, (width) => (this.chart ? this.chart.setSize({ width, height: this.#height() }) : this.#rebuild()));
	}

	/** Show these devices, largest first. */
	show(devices) {
		const groups = devices.slice(0, BANDS.length).map((name, i) => ({ name, devices: [name], colour: BANDS[i] }));
		const rest = devices.slice(groups.length);
		if (rest.length) groups.push({ name: rest.length === 1 ? rest[0] : `${rest.length} others`, devices: rest, colour: OTHERS });
		if (devices.join("\n") === this.devices.join("\n")) return false;
		this.groups = groups;
		this.devices = devices;
		this.forget();
		this.#rebuild();
		return true;
	}

	/** Watts of a group in one slot; NaN when none of its devices has a value there. */
	watts(group, slot) {
		let sum = NaN;
		for (const device of group.devices) {
			const value = this.grid.get(device, slot);
			if (!Number.isNaN(value)) sum = (Number.isNaN(sum) ? 0 : sum) + value;
		}
		return sum;
	}

	#height() {
		return this.box.clientWidth < 560 ? 220 : 300;
	}

	#rebuild() {
		this.chart?.destroy();
		this.chart = null;
		if (!this.groups.length || !this.box.clientWidth) return;
		const count = this.groups.length;
		// uPlot draws in the order of its series: the sum of all first, the bottom group last.
		const series = this.groups.toReversed().map((group) => ({
			label: group.name,
			stroke: colour(group.colour),
			width: 1.25,
			points: { show: false },
		}));
		const bands = this.groups.toReversed().map((group, i) => ({
			series: [i + 1, i + 2],
			fill: faint(group.colour, 0.62),
		}));
		this.chart = new uPlot(
			{
				width: this.box.clientWidth,
				height: this.#height(),
				padding: [12, 22, 0, 0],
				legend: { show: false },
				cursor: cursor(),
				tzDate,
				series: [{}, ...series, { stroke: "transparent", points: { show: false } }],
				bands,
				axes: [timeAxis(), valueAxis("W")],
				scales: { x: { time: true, range: () => this.#window() }, y: { range: (_chart, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
				plugins: [hatching(() => this.gaps)],
				hooks: { setCursor: [(chart) => this.onCursor(chart.data[0][chart.cursor.idx] ?? null)] },
			},
			this.#columns(count),
			this.box,
		);
	}

	#window() {
		const first = this.grid.first(this.devices);
		const head = this.grid.head;
		return [Math.max(head - this.grid.slots + 1, Math.min(first < 0 ? head : first, head - LEAST_WIDTH)), head];
	}

	#draw() {
		if (!this.chart) return this.#rebuild();
		this.chart.setData(this.#columns(this.groups.length));
	}

	/** Cumulative sums over what is shown. A slot is summed once: only the newest are summed again. */
	#columns(count) {
		const { grid } = this;
		const from = this.#window()[0];
		const size = Math.max(0, grid.head - from + 1);
		if (this.summed < from - 1) this.#forget(from);
		for (let slot = Math.max(from, this.summed - UNSETTLED); slot <= grid.head; slot++) this.#sum(slot);
		this.summed = grid.head;
		const { sums } = this;
		const times = new Array(size);
		const columns = Array.from({ length: count + 1 }, () => new Array(size));
		this.gaps = [];
		for (let i = 0; i < size; i++) {
			const slot = (times[i] = from + i);
			const at = slot % grid.slots;
			const seen = !Number.isNaN(sums[count - 1][at]);
			for (let g = 0; g < count; g++) columns[count - 1 - g][i] = seen ? sums[g][at] : null;
			columns[count][i] = seen ? 0 : null;
			if (this.missing[at]) this.#mark(slot);
		}
		return [times, ...columns];
	}

	/** The history or the groups are others now. */
	forget() {
		this.summed = -1;
	}

	#forget(from) {
		this.summed = from - 1;
		this.begun = new Set();
		this.sums = this.groups.map(() => new Float64Array(this.grid.slots));
		this.missing = new Uint8Array(this.grid.slots);
	}

	/** Sum the groups of one slot from the bottom up; NaN in all where no device has a value. */
	#sum(slot) {
		const at = slot % this.grid.slots;
		let sum = NaN;
		let missing = 0;
		this.groups.forEach((group, g) => {
			for (const device of group.devices) {
				const value = this.grid.get(device, slot);
				if (Number.isNaN(value)) missing |= this.begun.has(device);
				else {
					this.begun.add(device);
					sum = (Number.isNaN(sum) ? 0 : sum) + value;
				}
			}
			this.sums[g][at] = Number.isNaN(sum) ? 0 : sum;
		});
		if (Number.isNaN(sum)) this.sums.at(-1)[at] = NaN;
		this.missing[at] = missing;
	}

	#mark(slot) {
		const last = this.gaps.at(-1);
		if (last && last[1] === slot) last[1] = slot + 1;
		else this.gaps.push([slot, slot + 1]);
	}
}
