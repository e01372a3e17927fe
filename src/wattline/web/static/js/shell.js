// What surrounds every page: the state of the connection, search, theme, help, and the keys.

import { ask, instant } from "./api.js";
import { since, useZone } from "./calendar.js";
import { $, el, show, write } from "./dom.js";
import { Live } from "./live.js";
import { duration } from "./quantity.js";

const PAGES = [["/", "Now"], ["/device", "Devices"], ["/meters", "Meters"]];
const KEYS = [["?", "this help"], ["/", "find a device"], ["d", "dark or light"]];
const DEVICE_KEYS = [["← →", "earlier, later"], ["Home", "back to now"], ["1 … 6", "minute, hour, day, week, month, year"]];

/** What the program says of itself, {} when it is away; sets the time zone of the pages. */
export async function site() {
	try {
		const status = await ask("/api/status");
		useZone(status.timezone);
		return status;
	} catch {
		return {};
	}
}

export const pageOf = (device) => `/device?name=${encodeURIComponent(device)}`;

/** Build the frame and open the stream. `onNow` hears the site, `onBack` that the stream is back; `keys` are the page's own. */
export function frame({ onNow, onBack, keys = {} }) {
	const word = el("span", { class: "word", text: "connecting" });
	const dot = el("span", { class: "dot connecting" });
	const dialog = help(Object.keys(keys).length > 0);
	const tools = [
		el("span", { class: "line", role: "status" }, dot, word),
		round("Dark or light", "◐", turn),
		round("Keys", "?", () => dialog.showModal()),
	];
	const banner = new Banner(() => live.retry());
	document.body.prepend(el("a", { class: "skip", href: "#main", text: "Skip to the content" }), header(tools), banner.node);
	document.body.append(dialog);
	let begun = false;
	const live = new Live(
		(now) => {
			banner.heard(instant(now.time));
			onNow(now);
		},
		(connection) => {
			const back = connection.state === "live" && begun;
			begun ||= connection.state === "live";
			dot.className = `dot ${connection.state}`;
			write(word, connection.state === "away" ? "not connected" : "live");
			banner.tell(connection);
			if (back) onBack();
		},
	);
	listen({ "?": () => dialog.showModal(), "/": find, d: turn, ...keys });
}

function header(tools) {
	const brand = el("a", { class: "brand", href: "/" }, el("img", { src: "/static/favicon.svg", alt: "" }), "Wattline");
	const pages = PAGES.map(([href, text]) => el("a", { href, text, "aria-current": location.pathname === href && "page" }));
	return el("header", { class: "top" }, brand, el("nav", { "aria-label": "Pages" }, ...pages), el("div", { class: "tools" }, ...tools));
}

/** Says since when the program does not answer, how old the figures are, and when it is tried again. */
class Banner {
	constructor(retry) {
		this.text = el("span");
		this.age = el("span", { "aria-hidden": "true" }); // counts every second: not for reading aloud
		this.node = el("div", { id: "away", class: "banner", role: "alert", hidden: true }, this.text, this.age, el("button", { type: "button", text: "Try now", on: { click: retry } }));
		this.last = NaN;
		this.lost = false;
	}

	heard(time) {
		this.last = time;
	}

	tell({ state, since: start }) {
		clearInterval(this.timer);
		this.lost = state === "away";
		document.body.classList.toggle("is-away", this.lost);
		show(this.node, this.lost);
		if (!this.lost) return;
		const known = Number.isFinite(this.last) ? " The figures below are the last ones" : " There are no figures yet.";
		this.text.replaceChildren(el("strong", { text: `Wattline does not answer since ${since(start, Date.now() / 1000)}.` }), ` It is asked again by itself.${known}`);
		const count = () => write(this.age, Number.isFinite(this.last) ? `, ${duration(Date.now() / 1000 - this.last)} old.` : "");
		count();
		this.timer = setInterval(count, 1000);
	}
}

function round(label, face, act) {
	return el("button", { class: "round", type: "button", "aria-label": label, title: label, on: { click: act } }, face);
}

function turn() {
	const root = document.documentElement;
	const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	root.dataset.theme = dark ? "light" : "dark";
	try {
		localStorage.setItem("wattline.theme", root.dataset.theme);
	} catch {
		// Without storage the choice lasts as long as the page.
	}
	dispatchEvent(new Event("wattline:theme"));
}

function find() {
	const box = $("#find");
	if (box) box.focus();
	else location.assign("/device");
}

function help(onDevice) {
	const list = el("dl");
	for (const [key, what] of onDevice ? [...DEVICE_KEYS, ...KEYS] : KEYS) {
		list.append(el("dt", {}, el("kbd", { text: key })), el("dd", { text: what }));
	}
	return el("dialog", { "aria-label": "Keys" }, el("h2", { text: "Keys" }), list, el("form", { method: "dialog" }, el("button", { text: "Close" })));
}

function listen(keys) {
	addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input:not([type=radio]), select, textarea, dialog")) return;
		if (event.target.type === "radio" && event.key.startsWith("Arrow")) return;
		const act = keys[event.key];
		if (!act) return;
		event.preventDefault();
		act();
	});
}
