// The last minutes of many devices on one grid of whole seconds: a ring of slots for each device.
//
// Invariant: slot s (seconds since the epoch) stands at s % slots, for head - slots < s <= head; NaN: not measured. A slot
// is cleared when the head moves onto it, so no value of the round before is ever seen.

export class Grid {
	constructor(slots) {
		this.slots = slots;
		this.head = -1;
		this.rows = new Map();
	}

	clear() {
		this.head = -1;
		this.rows.clear();
	}

	row(device) {
		let row = this.rows.get(device);
		if (!row) this.rows.set(device, (row = new Float64Array(this.slots).fill(NaN)));
		return row;
	}

	/** Move the head to `slot`, clearing what it passes. */
	advance(slot) {
		if (slot <= this.head) return;
		const first = this.head < 0 ? slot - this.slots + 1 : Math.max(this.head + 1, slot - this.slots + 1);
		for (const row of this.rows.values()) {
			for (let at = first; at <= slot; at++) row[at % this.slots] = NaN;
		}
		this.head = slot;
	}

	holds(slot) {
		return slot <= this.head && slot > this.head - this.slots;
	}

	set(device, slot, value) {
		if (this.holds(slot)) this.row(device)[slot % this.slots] = value;
	}

	get(device, slot) {
		const row = this.rows.get(device);
		return row && this.holds(slot) ? row[slot % this.slots] : NaN;
	}

	/** Put a device's samples in: each is held until the next, for at most `hold` seconds. Both lists ascend by time. */
	fill(device, times, values, hold) {
		for (let i = 0; i < times.length; i++) {
			const from = Math.max(Math.floor(times[i]), this.head - this.slots + 1);
			const next = i + 1 < times.length ? Math.floor(times[i + 1]) : this.head + 1;
			const until = next - from > hold ? from + 1 : next;
			for (let slot = from; slot < Math.min(until, this.head + 1); slot++) this.set(device, slot, values[i]);
		}
	}

	/** First slot with a value of one of the devices, or -1. */
	first(devices) {
		for (let slot = this.head - this.slots + 1; slot <= this.head; slot++) {
			for (const device of devices) if (!Number.isNaN(this.get(device, slot))) return slot;
		}
		return -1;
	}
}
