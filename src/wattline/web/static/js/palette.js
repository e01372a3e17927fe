// Colours for canvases: read from the style sheet, so that a theme is written in one place.

const probe = document.createElement("span");
probe.hidden = true;

const read = new Map();

/** The colour behind a custom property, as the theme of now gives it. */
export function colour(name) {
	if (!read.has(name)) {
		if (!probe.isConnected) document.body.append(probe);
		probe.style.color = `var(--${name})`;
		read.set(name, getComputedStyle(probe).color);
	}
	return read.get(name);
}

export function faint(name, alpha) {
	const [r, g, b] = colour(name).match(/[\d.]+/g);
	return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008), by place. */
export const BANDS = [1, 2, 3, 4, 5, 6, 7].map((place) => `band-${place}`);
export const OTHERS = "band-others";

const listeners = new Set();

export function onTheme(draw) {
	listeners.add(draw);
}

function changed() {
	read.clear();
	for (const draw of listeners) draw();
}

addEventListener("wattline:theme", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
