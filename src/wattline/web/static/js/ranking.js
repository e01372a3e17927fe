// A list of devices with their watts and a bar, changed in place: a row that stays keeps its node, focus and transition.

import { ask, number } from "./api.js";
import { el, show, write } from "./dom.js";
import { duration, text } from "./quantity.js";
import { pageOf } from "./shell.js";

const MOST_MOVING = 40; // bars that glide; of more, each costs too much

const MEET_EVERY = 3_000;
const occupants = new Map(); // which process is in a slot, by device
let met = 0;

async function meet(devices) {
	if (Date.now() - met < MEET_EVERY || !devices.some(({ type }) => type === "process")) return;
	met = Date.now();
	const rows = await ask("/api/samples", { metric: "occupant", start: met / 1000 - 5 }).catch(() => []);
	for (const { device, value } of rows) occupants.set(device, value);
}

export class Ranking {
	constructor(list) {
		this.list = list;
		this.rows = new Map();
	}

	/** `devices` as in /api/now, in the order to be shown; bars are relative to the largest. */
	show(devices) {
		meet(devices);
		this.list.classList.toggle("long", devices.length > MOST_MOVING);
		const most = Math.max(0, ...devices.map((one) => number(one.watts) || 0));
		const nodes = devices.map((one) => {
			const row = this.rows.get(one.device) ?? this.#row(one);
			const watts = number(one.watts);
			write(row.watts, Number.isNaN(watts) ? "–" : text(watts, "W"));
			write(row.note, note(one, watts));
			row.fill.style.transform = `scaleX(${most > 0 && watts > 0 ? watts / most : 0})`;
			row.node.classList.toggle("stale", Number.isNaN(watts));
			show(row.badge, Boolean(one.estimated));
			return row.node;
		});
		// Rows under the pointer or the focus keep their place: a list that jumps cannot be clicked.
		if (this.list.matches(":hover, :focus-within") && this.#holds(nodes)) return;
		if (nodes.some((node, i) => this.list.children[i] !== node) || this.list.children.length !== nodes.length) this.list.replaceChildren(...nodes);
	}

	#holds(nodes) {
		return nodes.length === this.list.children.length && nodes.every((node) => node.parentNode === this.list);
	}

	#row(one) {
		const note = el("small");
		const watts = el("span", { class: "watts", dataset: { fresh: "" } });
		const fill = el("div", { class: "fill" });
		const badge = el("span", { class: "badge estimated", text: "estimated", hidden: true });
		const link = el("a", { href: pageOf(one.device) }, el("span", { class: "name" }, one.device, note, " ", badge), watts, el("div", { class: "bar-track" }, fill));
		if (one.depth) link.style.setProperty("--depth", one.depth);
		const row = { node: el("li", {}, link), note, watts, fill, badge };
		this.rows.set(one.device, row);
		return row;
	}
}

function note(one, watts) {
	const silent = Number.isNaN(watts) && Number.isFinite(one.age) ? `silent for ${duration(one.age)}` : "";
	return [one.type, occupants.get(one.device), silent].filter(Boolean).join(" · ");
}
