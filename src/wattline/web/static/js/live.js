// The stream of the site: one `now` event a second, opened again by itself, closed while nobody looks.
//
//            open()                 event                    silence, error
//   asleep ---------> connecting ---------> live ---------------------------> away (waits, then connecting again)
//      ^------------------------------ the page is hidden -------------------------------'

const SILENCE = 6_000; // of a stream that speaks every second
const WAITS = [1_000, 2_000, 4_000, 8_000, 10_000];

export class Live {
	/** `onNow(now)` gets the answer of /api/now; `onState({state, since})` a change of the connection. */
	constructor(onNow, onState) {
		this.onNow = onNow;
		this.onState = onState;
		this.source = null;
		this.timer = 0;
		this.failures = 0;
		this.away = 0; // since when, ms
		document.addEventListener("visibilitychange", () => (document.hidden ? this.#sleep() : this.#connect()));
		addEventListener("pagehide", () => this.#sleep());
		addEventListener("pageshow", (event) => event.persisted && this.#connect());
		if (!document.hidden) this.#connect();
	}

	#connect() {
		this.#drop();
		this.source = new EventSource("/api/live?view=now");
		this.source.addEventListener("now", (event) => this.#heard(JSON.parse(event.data)));
		this.source.addEventListener("error", () => this.#lost());
		this.#watch();
	}

	#heard(now) {
		const back = this.away !== 0;
		this.away = 0;
		this.failures = 0;
		this.#watch();
		if (back || this.state !== "live") this.#tell("live");
		this.onNow(now);
	}

	#lost() {
		this.#drop();
		this.away ||= Date.now();
		const wait = WAITS[Math.min(this.failures++, WAITS.length - 1)];
		this.timer = setTimeout(() => this.#connect(), wait);
		this.#tell("away");
	}

	retry() {
		if (this.away) this.#connect();
	}

	#watch() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.#lost(), SILENCE);
	}

	#sleep() {
		this.#drop();
		this.state = "asleep";
	}

	#drop() {
		clearTimeout(this.timer);
		this.source?.close();
		this.source = null;
	}

	#tell(state) {
		this.state = state;
		this.onState({ state, since: this.away / 1000 });
	}
}
