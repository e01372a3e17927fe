// What a meter's health says, in words.

import { instant } from "./api.js";
import { since } from "./calendar.js";
import { el } from "./dom.js";

export const stateOf = ({ state }) => state.toLowerCase();

/** Why it is silent; empty while it speaks. */
export function reasonOf({ cause, error }) {
	return error && cause && !error.includes(cause) ? `${cause}: ${error}` : (error ?? cause ?? "");
}

export function stateLabel(meter) {
	const state = stateOf(meter);
	return el("span", { class: "meter-state" }, el("span", { class: `dot ${state}` }), state);
}

export function sinceText(meter) {
	return meter.since ? `since ${since(instant(meter.since), Date.now() / 1000)}` : "";
}

export function meterLine(meter) {
	const reason = reasonOf(meter);
	return el(
		"div",
		{ class: "meter-line" },
		el("div", { class: "meter-state" }, el("span", { class: `dot ${stateOf(meter)}` }), el("strong", { text: meter.name })),
		el("div", { class: "quiet-text", text: `${stateOf(meter)} ${sinceText(meter)}` }),
		reason ? el("div", { class: "reason", text: reason }) : null,
	);
}
