// Hatches the time in which nothing was measured: what is missing is drawn as missing, never as zero.

import { colour } from "./palette.js";

const SIZE = 8; // CSS pixels from line to line

function pattern(context, ratio) {
	const tile = document.createElement("canvas");
	const size = (tile.width = tile.height = Math.round(SIZE * ratio));
	const pen = tile.getContext("2d");
	pen.strokeStyle = colour("hatch");
	pen.lineWidth = 1.25 * ratio;
	for (const shift of [-size, 0, size]) {
		pen.moveTo(shift - 1, size + 1);
		pen.lineTo(shift + size + 1, -1);
	}
	pen.stroke();
	return context.createPattern(tile, "repeat");
}

/** A plugin for uPlot. `gaps()` returns [start, end] pairs; the chart's element tells how many were drawn. */
export function hatching(gaps) {
	return {
		hooks: {
			drawAxes: (chart) => {
				const { ctx, bbox } = chart;
				let drawn = 0;
				ctx.save();
				ctx.fillStyle = pattern(ctx, devicePixelRatio || 1);
				for (const [start, end] of gaps()) {
					const left = Math.max(bbox.left, chart.valToPos(start, "x", true));
					const right = Math.min(bbox.left + bbox.width, chart.valToPos(end, "x", true));
					if (!(right > left)) continue;
					ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
					drawn++;
				}
				ctx.restore();
				chart.root.dataset.gaps = drawn;
			},
		},
	};
}
