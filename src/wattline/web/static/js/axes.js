// Axes, sizes and fonts that all charts share.

import uPlot from "../vendor/uplot.esm.js";
import { zoneName } from "./calendar.js";
import { colour } from "./palette.js";
import { FACTORS, prefix, shown } from "./quantity.js";

const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;

// uPlot's tick formats on a 24-hour clock: [least step, format, what is added at a new year, day or minute].
const DAY = "\n{D} {MMM}";
const TICKS = [
	[31536000, "{YYYY}", null, null, null, null, null, null, 1],
	[2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
	[86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
	[60, "{HH}:{mm}", DAY, null, DAY, null, null, null, 1],
	[1, "{HH}:{mm}:{ss}", DAY, null, DAY, null, null, null, 1],
	[0.001, ":{ss}.{fff}", "\n{HH}:{mm}", null, null, null, "\n{HH}:{mm}", null, 1],
];

export const tzDate = (seconds) => uPlot.tzDate(new Date(seconds * 1000), zoneName());

export function timeAxis() {
	return {
		stroke: colour("muted"),
		font: font(),
		size: 44,
		gap: 8,
		space: 84,
		values: TICKS,
		grid: { show: false },
		ticks: { stroke: colour("rule"), width: 1, size: 5 },
	};
}

/** An axis of values in a base unit; the prefix is one for all ticks, and stands at each. */
export function valueAxis(unit) {
	const [scale, base] = [FACTORS[unit] ?? 1, shown(unit)];
	return {
		stroke: colour("muted"),
		font: font(),
		size: 68,
		gap: 6,
		space: 44,
		values: (_chart, ticks) => {
			const best = prefix(Math.max(...ticks.map((tick) => Math.abs(tick * scale))), base);
			const sizes = ticks.map((tick) => (tick * scale) / best.factor);
			const places = [0, 1, 2, 3, 4, 5].find((count) => sizes.every((size) => Math.abs(Number(size.toFixed(count)) - size) < 1e-9)) ?? 6;
			return sizes.map((size) => (size === 0 ? "0" : `${size.toFixed(places).replace("-", "−")} ${best.unit}`.trim()));
		},
		grid: { stroke: colour("grid"), width: 1 },
		ticks: { show: false },
	};
}

export function cursor(points) {
	return {
		points: points ?? { show: false },
		drag: { x: false, y: false },
		y: false,
	};
}

export function fitted(box, resize) {
	let width = 0;
	new ResizeObserver(([entry]) => {
		const now = Math.floor(entry.contentRect.width);
		if (now && now !== width) resize((width = now));
	}).observe(box);
}

