// The little of the DOM that the pages need. Text goes in as text, never as markup.

export const $ = (selector, root = document) => root.querySelector(selector);

/** Make an element: `class`, `text`, `on` (listeners), `dataset`; any other key is an attribute (false, null: left out). */
export function el(tag, properties = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value === null || value === undefined || value === false) continue;
		if (name === "class") node.className = value;
		else if (name === "text") node.textContent = value;
		else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
		else if (name === "dataset") Object.assign(node.dataset, value);
		else node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.filter((child) => child !== null && child !== undefined));
	return node;
}

/** Change a text only where it differs: an unchanged node costs no layout, and a selection in it stays. */
export function write(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export function show(node, visible) {
	if (node.hidden === visible) node.hidden = !visible;
}

/** A button that copies `text()` and says so. */
export function copier(label, text) {
	const button = el("button", { class: "quiet", type: "button", text: label });
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(text());
			button.textContent = "Copied";
			setTimeout(() => (button.textContent = label), 1600);
		} catch {
			prompt("Copy this:", text()); // without a secure origin there is no clipboard
		}
	});
	return button;
}

/** At most one call of `draw` per animation frame, however often it is asked for. */
export function framed(draw) {
	let asked = false;
	return () => {
		if (asked) return;
		asked = true;
		requestAnimationFrame(() => {
			asked = false;
			draw();
		});
	};
}
