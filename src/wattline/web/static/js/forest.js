// All devices, each below what it is part of.

import { ask, number } from "./api.js";
import { write } from "./dom.js";
import { Ranking } from "./ranking.js";

export class Forest {
	constructor(list, find, note) {
		this.ranking = new Ranking(list);
		this.find = find;
		this.note = note;
		this.devices = [];
		this.now = new Map();
		find.addEventListener("input", () => this.#draw());
		find.addEventListener("keydown", (event) => event.key === "Enter" && list.querySelector("a")?.click());
		this.load();
	}

	async load() {
		try {
			this.devices = this.#ordered(await ask("/api/devices"));
			this.#draw();
		} catch (error) {
			write(this.note, error.message);
		}
	}

	hear({ devices }) {
		this.now = new Map(devices.map((one) => [one.device, one]));
		if (devices.some(({ device }) => !this.devices.some((one) => one.device === device))) this.load();
		else this.#draw();
	}

	#draw() {
		const wanted = this.find.value.trim().toLowerCase();
		const kept = this.devices.filter(({ device, type }) => `${device} ${type}`.toLowerCase().includes(wanted));
		this.ranking.show(kept.map((one) => ({ watts: number(null), ...one, ...this.now.get(one.device) })));
		write(this.note, kept.length ? "" : this.devices.length ? "No device has a name or type like this." : "No devices yet: they appear with the first sample.");
	}

	/** Depth first; what claims to be part of itself, or of nothing known, is a root. */
	#ordered(devices) {
		const names = new Set(devices.map((one) => one.device));
		const found = new Map();
		const add = (one, depth) => {
			if (found.has(one.device)) return;
			found.set(one.device, { ...one, depth });
			for (const below of devices) if (below.parent === one.device) add(below, depth + 1);
		};
		for (const one of devices) if (!names.has(one.parent)) add(one, 0);
		for (const one of devices) add(one, 0);
		return [...found.values()];
	}
}
