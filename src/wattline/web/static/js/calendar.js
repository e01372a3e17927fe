// Periods and clocks in a time zone. Instants are seconds since the epoch; a window is half open.

let zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Use the site's time zone instead of the browser's; an unknown name changes nothing. */
export function useZone(name) {
	if (!name || name === zone) return;
	try {
		new Intl.DateTimeFormat("en", { timeZone: name });
		zone = name;
		formats.clear();
	} catch {
		// The browser's own zone is the next best answer.
	}
}

export const zoneName = () => zone;

const formats = new Map();

function format(key, options) {
	if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
	return formats.get(key);
}

const NUMERIC = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** {year, month, day, hour, minute, second} of an instant, on the wall clock of the zone. */
export function wall(time) {
	const found = {};
	for (const { type, value } of format("wall", NUMERIC).formatToParts(time * 1000)) found[type] = Number(value);
	return found;
}

/** The instant at which the wall clock shows this; overflowing days and months are carried. */
export function moment(year, month, day, hour = 0, minute = 0, second = 0) {
	const wanted = Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
	let guess = wanted;
	for (let round = 0; round < 2; round++) {
		const at = wall(guess);
		guess += wanted - Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) / 1000;
	}
	return guess;
}

export const PERIODS = {
	minute: { label: "1 min", length: 60 },
	hour: { label: "1 h", length: 3600 },
	day: { label: "Day" },
	week: { label: "Week" },
	month: { label: "Month" },
	year: { label: "Year" },
};

/** The window of a period around `at` (null: now). Minute and hour end at `at`, the others are those of the calendar. */
export function around(period, at, now) {
	const { length } = PERIODS[period];
	const time = at ?? now;
	if (length) return { start: time - length, end: time };
	const { year, month, day } = wall(time);
	if (period === "day") return { start: moment(year, month, day), end: moment(year, month, day + 1) };
	if (period === "month") return { start: moment(year, month, 1), end: moment(year, month + 1, 1) };
	if (period === "year") return { start: moment(year, 1, 1), end: moment(year + 1, 1, 1) };
	const weekday = (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7;
	return { start: moment(year, month, day - weekday), end: moment(year, month, day - weekday + 7) };
}

/** `at` of the neighbouring period: null when it is the one that holds now. */
export function step(period, at, now, way) {
	const { start, end } = around(period, at, now);
	const { length } = PERIODS[period];
	const next = length ? end + way * length : way < 0 ? start - 1 : end;
	return around(period, next, now).end > now ? null : next;
}

const DATE = { day: "numeric", month: "short", year: "numeric" };

export function clock(time) {
	return format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(time * 1000);
}

export function date(time) {
	return format("date", DATE).format(time * 1000);
}

export function stamp(time) {
	return `${date(time)}, ${clock(time)}`;
}

/** The time alone within a day, else with its date. */
export function since(time, now) {
	return now - time < 72_000 && now >= time ? clock(time) : stamp(time);
}

function minutes(time) {
	return format("minutes", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(time * 1000);
}

/** A window in words, as a title; the date of today goes without saying. */
export function title(period, start, end, now) {
	if (period === "day") return format("day", { weekday: "long", ...DATE }).format(start * 1000);
	if (period === "month") return format("month", { month: "long", year: "numeric" }).format(start * 1000);
	if (period === "year") return String(wall(start).year);
	if (period === "week") return `${date(start)} – ${date(end - 1)}`;
	const hour = end - start < 600 ? clock : minutes;
	const day = date(start) === date(now) ? "" : `${date(start)}, `;
	const other = date(start) === date(end) ? "" : `${date(end)}, `;
	return `${day}${hour(start)} – ${other}${hour(end)}`;
}

/** "2026-11-20T13:00" on the wall clock, as an input of type datetime-local wants it, and back. */
export function toInput(time) {
	const { year, month, day, hour, minute } = wall(time);
	const two = (value) => String(value).padStart(2, "0");
	return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`;
}

export function fromInput(value) {
	const found = /^(\d+)-(\d+)-(\d+)T(\d+):(\d+)/.exec(value);
	return found ? moment(...found.slice(1).map(Number)) : NaN;
}
