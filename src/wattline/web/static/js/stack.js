// The stacked chart: watts of the site's devices, the largest at the bottom, the small ones together as "others".

import uPlot from "../vendor/uplot.esm.js";
import { cursor, fitted, timeAxis, tzDate, valueAxis } from "./axes.js";
import { framed } from "./dom.js";
import { hatching } from "./hatch.js";
import { BANDS, OTHERS, colour, faint, onTheme } from "./palette.js";

const MOST = BANDS.length;
const LEAST_WIDTH = 60; // seconds shown when there is hardly any history

export class Stack {
  /** `onCursor(slot|null)` hears which second the pointer is at. */
  constructor(box, grid, onCursor) {
    this.box = box;
    this.grid = grid;
    this.onCursor = onCursor;
    this.groups = []; // [{name, devices, colour}], the bottom one first
    this.devices = [];
    this.gaps = [];
    this.chart = null;
    this.draw = framed(() => this.#draw());
    onTheme(() => this.#rebuild());
    fitted(box, (width) => (this.chart ? this.chart.setSize({ width, height: this.#height() }) : this.#rebuild()));
  }

  /** Show these devices, largest first. The groups change only when their order does: colours stay with their device. */
  show(devices) {
    const single = devices.length <= MOST + 1 ? devices.length : MOST;
    const groups = devices.slice(0, Math.min(single, MOST)).map((name, i) => ({ name, devices: [name], colour: BANDS[i] }));
    const rest = devices.slice(groups.length);
    if (rest.length) groups.push({ name: rest.length === 1 ? rest[0] : `${rest.length} others`, devices: rest, colour: OTHERS });
    const same = groups.length === this.groups.length && groups.every((group, i) => group.devices.join("\n") === this.groups[i].devices.join("\n"));
    if (same) return false;
    this.groups = groups;
    this.devices = devices;
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
        padding: [12, 8, 0, 0],
        legend: { show: false },
        cursor: cursor(),
        tzDate,
        series: [{}, ...series, { stroke: "transparent", points: { show: false } }],
        bands,
        axes: [timeAxis(), valueAxis("W")],
        scales: { x: { time: true, range: () => this.#window() }, y: { range: (_chart, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
        plugins: [hatching(() => this.gaps)],
        hooks: { setCursor: [(chart) => this.onCursor(chart.cursor.idx === null || chart.cursor.idx === undefined ? null : chart.data[0][chart.cursor.idx])] },
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

  /** Cumulative sums, and the seconds in which a device that had spoken is missing. */
  #columns(count) {
    const { grid } = this;
    const from = this.#window()[0];
    const size = Math.max(0, grid.head - from + 1);
    const times = new Array(size);
    const sums = Array.from({ length: count + 1 }, () => new Array(size));
    const begun = new Set();
    this.gaps = [];
    for (let i = 0; i < size; i++) {
      const slot = from + i;
      times[i] = slot;
      let sum = 0;
      let seen = false;
      for (let g = 0; g < count; g++) {
        const watts = this.watts(this.groups[g], slot);
        if (!Number.isNaN(watts)) {
          seen = true;
          sum += watts;
        }
        sums[count - 1 - g][i] = sum;
      }
      sums[count][i] = 0;
      if (!seen) for (const column of sums) column[i] = null;
      this.#mark(slot, begun);
    }
    return [times, ...sums];
  }

  #mark(slot, begun) {
    let missing = false;
    for (const device of this.devices) {
      if (!Number.isNaN(this.grid.get(device, slot))) begun.add(device);
      else if (begun.has(device)) missing = true;
    }
    if (!missing) return;
    const last = this.gaps.at(-1);
    if (last && last[1] === slot) last[1] = slot + 1;
    else this.gaps.push([slot, slot + 1]);
  }
}
