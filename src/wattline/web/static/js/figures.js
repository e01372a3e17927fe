// The figures of a period: energy with its bounds, coverage, cost, and the extent of what the chart shows.

import { number } from "./api.js";
import { el } from "./dom.js";
import { counted, money, percent, quantity, text } from "./quantity.js";

/** `energy` is a series of /api/energy or null; `seconds` the length asked. */
export function fill(box, { energy, seconds, low, high, unit }) {
	const figures = [...(energy ? ofEnergy(energy, seconds) : []), ...ofExtent(low, high, unit)];
	box.replaceChildren(
		...figures.map(([name, value, small]) => el("div", {}, el("dt", { text: name }), el("dd", { dataset: { fresh: "" } }, value, small ? el("small", { text: small }) : null))),
	);
}

function ofEnergy(energy, seconds) {
	const joules = number(energy.joules);
	const coverage = number(energy.coverage);
	const found = [["Energy", text(joules, "J", 4), bounds(energy)]];
	if ((energy.cost ?? null) !== null) found.push(["Cost", money(energy.cost, energy.currency), ""]);
	if (coverage > 0) found.push(["Mean power", text(joules / (coverage * seconds), "W"), ""]);
	found.push(["Coverage", percent(coverage), holes(energy)]);
	return found;
}

/** Between which joules the truth lies: of the whole period, also of what was not measured. */
function bounds({ lower, upper, coverage }) {
	const [low, high] = [number(lower), number(upper)];
	if (Number.isNaN(low) || Number.isNaN(high)) return "";
	const from = quantity(low, "J", 4);
	const to = quantity(high, "J", 4);
	return `${coverage < 0.9995 ? "whole period " : ""}${from.number}${from.unit === to.unit ? "" : ` ${from.unit}`} – ${to.number} ${to.unit}`;
}

function holes({ gaps, resets, method }) {
	const count = (n, word) => n > 0 && counted(n, word);
	const how = Array.isArray(method) ? method.join(", ") : (method ?? "");
	return [how && `by ${how}`, count(number(gaps), "gap"), count(number(resets), "reset")].filter(Boolean).join(" · ");
}

function ofExtent(low, high, unit) {
	if (Number.isNaN(low ?? NaN)) return [];
	return [[unit === "W" ? "Peak" : "Highest", text(high, unit), ""], [unit === "W" ? "Least" : "Lowest", text(low, unit), ""]];
}
