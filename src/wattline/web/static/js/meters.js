// The page Meters: who speaks, how fast, and why not.

import { ask, instant, number } from "./api.js";
import { since } from "./calendar.js";
import { $, el, show, write } from "./dom.js";
import { examples } from "./examples.js";
import { reasonOf, sinceText, stateLabel, stateOf } from "./meter.js";
import { counted, duration, latency, whole } from "./quantity.js";
import { frame, site } from "./shell.js";

const EVERY = 2_000;
const ORDER = ["silent", "waiting", "speaking"];
let asked = 0;

async function refresh() {
	if (Date.now() - asked < EVERY) return;
	asked = Date.now();
	let list;
	try {
		list = await ask("/api/meters");
	} catch {
		return; // The banner says that nobody answers.
	}
	const none = list.length === 0;
	show($("#empty"), none);
	show($("#table-card"), !none);
	if (none) $("#empty").replaceChildren(el("h2", { text: "No meters yet" }), el("p", { text: "Start Wattline with the address of one, as below." }));
	list.sort((a, b) => ORDER.indexOf(stateOf(a)) - ORDER.indexOf(stateOf(b)) || (a.name < b.name ? -1 : 1));
	const count = (state) => list.filter((one) => stateOf(one) === state).length;
	write($("#sum"), none ? "" : ORDER.toReversed().filter(count).map((state) => `${count(state)} ${state}`).join(" · "));
	place($("#rows"), list.map(row));
}

/** Put rows in, leaving those that did not change: a selected text stays selected. */
function place(body, rows) {
	rows.forEach((node, i) => {
		const old = body.children[i];
		if (!old) body.append(node);
		else if (!old.isEqualNode(node)) old.replaceWith(node);
	});
	while (body.children.length > rows.length) body.lastChild.remove();
}

function row(meter) {
	const reason = reasonOf(meter);
	const devices = meter.devices.length;
	const last = instant(meter.last);
	const now = Date.now() / 1000;
	const about = [meter.driver, meter.address, devices > 0 && counted(devices, "device"), meter.period ? `every ${duration(number(meter.period))}` : ""];
	return el(
		"tr",
		{},
		el("td", {}, el("div", { class: "name", text: meter.name }), el("small", { text: about.filter(Boolean).join(" · ") }), reason ? el("div", { class: "reason", text: reason }) : null),
		el("td", {}, stateLabel(meter), el("small", { text: sinceText(meter) })),
		cell("Latency p50 / p99", `${latency(meter.p50)} / ${latency(meter.p99)}`),
		cell("Polls", whole(number(meter.polls))),
		cell("Missed", whole(number(meter.missed)), meter.missed > 0),
		cell("Failed", whole(number(meter.failed)), meter.failed > 0),
		cell("Last answer", lastAnswer(last, now)),
	);
}

function lastAnswer(last, now) {
	if (!Number.isFinite(last)) return "never";
	if (now - last < 2) return "just now";
	return now - last < 90 ? `${duration(Math.round(now - last))} ago` : since(last, now);
}

function cell(label, text, some = false) {
	return el("td", { class: "right", dataset: { label } }, el("span", { class: some ? "some" : "", text }));
}

$("#examples").replaceWith(examples());
site();
frame({ onNow: refresh, onBack: refresh });
