// Questions to the API. Every wait is timed; an error keeps the sentence that the API gave.

const PATIENCE = 20_000;

export class Problem extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

/** The address of a question; a list as a value repeats the parameter, null leaves it out. */
export function address(path, query = {}) {
	const url = new URL(path, location.origin);
	for (const [name, value] of Object.entries(query)) {
		for (const one of Array.isArray(value) ? value : [value]) {
			if (one !== null && one !== undefined && one !== "") url.searchParams.append(name, one);
		}
	}
	return url;
}

/** Ask for JSON. Throws Problem when the API refuses, and when it does not answer in time. */
export async function ask(path, query = {}) {
	let answer;
	try {
		answer = await fetch(address(path, query), {
			headers: { Accept: "application/json" },
			signal: AbortSignal.timeout(PATIENCE),
		});
	} catch (error) {
		throw new Problem(0, `Wattline did not answer (${error.name === "TimeoutError" ? "too slow" : "no connection"}).`);
	}
	if (!answer.ok) throw await problem(answer);
	return answer.json();
}

async function problem(answer) {
	try {
		return new Problem(answer.status, (await answer.json()).detail);
	} catch {
		return new Problem(answer.status, `${answer.status} ${answer.statusText}`);
	}
}

/** A glob that matches this text alone: the API's filters are globs. */
export const exactly = (text) => text.replace(/[[*?]/g, "[$&]");

/** Seconds since the epoch from ISO 8601; NaN where there is none. */
export function instant(value) {
	return typeof value === "string" ? Date.parse(value) / 1000 : NaN;
}

/** A number from an answer: absent is NaN, and "NaN", "+Inf", "-Inf" arrive as texts. */
export function number(value) {
	if (typeof value === "number") return value;
	if (value === "+Inf") return Infinity;
	if (value === "-Inf") return -Infinity;
	return NaN;
}
