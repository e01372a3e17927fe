// How a meter is added: one line for each kind, ready to be copied.

import { copier, el } from "./dom.js";

const EXAMPLES = [
	["A PDU or UPS by SNMP", "wattline up --meter snmp://public@pdu-1.example.net/"],
	["A Prometheus exporter", "wattline up --meter prometheus://node-1.example.net:9100/metrics"],
	["A server's BMC", "wattline up --meter redfish://USER:env:PASSWORD@bmc-1.example.net"],
	["This machine's RAPL registers", "wattline up --meter rapl://"],
	["A simulated rack", "wattline up --demo"],
	["Everything from one file", "wattline up --config site.yaml"],
];

export function examples() {
	const list = el("div", { class: "examples" });
	for (const [what, command] of EXAMPLES) {
		list.append(el("div", { class: "example" }, el("p", { text: what }), el("code", { text: command }), copier("Copy", () => command)));
	}
	return list;
}
