// Runs before the first paint (a classic script in the head): applies the theme that the reader chose last.
"use strict";
{
	let chosen = null;
	try {
		chosen = localStorage.getItem("wattline.theme");
	} catch {
		// Storage may be forbidden; the theme of the system stands then.
	}
	if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
