// All devices, each under what it is part of.

import { ask, number } from "./api.js";
import { el, write } from "./dom.js";
import { text } from "./quantity.js";
import { pageOf } from "./shell.js";

export class Forest {
  constructor(box, find) {
    this.box = box;
    this.find = find;
    this.devices = [];
    this.watts = new Map();
    this.rows = new Map();
    find.addEventListener("input", () => this.#draw());
    find.addEventListener("keydown", (event) => event.key === "Enter" && box.querySelector("a")?.click());
    this.load();
  }

  async load() {
    try {
      this.devices = await ask("/api/devices");
    } catch (error) {
      this.box.replaceChildren(el("p", { class: "quiet-text", text: error.message }));
      return;
    }
    this.#draw();
  }

  hear(now) {
    const known = new Set(this.devices.map((one) => one.device));
    if (now.devices.some((one) => !known.has(one.device))) this.load();
    this.watts = new Map(now.devices.map((one) => [one.device, number(one.watts)]));
    this.#values();
  }

  #draw() {
    const wanted = this.find.value.trim().toLowerCase();
    const kept = this.devices.filter((one) => !wanted || one.device.toLowerCase().includes(wanted) || (one.type ?? "").toLowerCase().includes(wanted));
    const names = new Set(kept.map((one) => one.device));
    const below = new Map();
    for (const one of kept) {
      const up = names.has(one.parent) && one.parent !== one.device ? one.parent : "";
      below.set(up, [...(below.get(up) ?? []), one]);
    }
    this.rows.clear();
    const empty = this.devices.length ? "No device has a name or type like this." : "No devices yet: they appear with the first sample.";
    this.box.replaceChildren(kept.length ? this.#list("", below, new Set()) : el("p", { class: "quiet-text", text: empty }));
    this.#values();
  }

  /** `seen` guards against devices that claim to be part of each other. */
  #list(up, below, seen) {
    return el(
      "ul",
      {},
      ...(below.get(up) ?? []).filter((one) => !seen.has(one.device)).map((one) => {
        seen.add(one.device);
        const watts = el("span", { class: "watts", dataset: { fresh: "" } });
        this.rows.set(one.device, watts);
        const badge = one.estimated ? el("span", { class: "badge estimated", text: "estimated" }) : null;
        const link = el("a", { href: pageOf(one.device) }, el("span", { class: "name" }, one.device, el("small", { text: one.type ?? "" }), " ", badge), watts);
        return el("li", {}, link, below.has(one.device) ? this.#list(one.device, below, seen) : null);
      }),
    );
  }

  #values() {
    for (const [device, node] of this.rows) {
      const watts = this.watts.get(device);
      write(node, watts === undefined ? "" : text(watts, "W"));
    }
  }
}
