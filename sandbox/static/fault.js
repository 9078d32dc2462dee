import { byId, el } from "./dom.js";

const NAMES = { sendgrid: "SendGrid", mailgun: "Mailgun" };

const CREDITS = { errors: [{ message: "Maximum credits exceeded", field: null, help: null }] };

// What is worth trying, by the name a person would give it.
const PRESETS = [
  ["refuse", "Refuse connections", { mode: "refuse" }],
  ["429", "429, retry after 30 s", { status: 429, retry_after: 30 }],
  ["503", "503 for now", { status: 503 }],
  ["401", "401 key refused", { status: 401 }],
  ["credits", "401 credits exceeded", { status: 401, body: CREDITS }, "sendgrid"],
  ["403", "403 sender refused", { status: 403 }],
  ["400", "400 message refused", { status: 400 }],
  ["413", "413 too large", { status: 413 }],
  ["500", "500, mail taken in", { status: 500 }],
  ["reset", "Reset, mail taken in", { mode: "reset" }],
  ["hang", "Hang, mail taken in", { mode: "hang" }],
  ["latency", "2 s late", { latency_ms: 2000 }],
  ["half", "503, every second by lot", { status: 503, percent: 50 }],
  ["once", "503, once", { status: 503, times: 1 }],
];

let drawn = "";

export function showFaults(faults, onChange) {
  const state = JSON.stringify(faults);
  if (state === drawn) return; // an open menu must not close under the hand
  drawn = state;
  byId("switches").replaceChildren(...Object.keys(faults).map((name) => card(name, faults[name], onChange)));
}

function card(name, fault, onChange) {
  return el(
    "div",
    { class: fault ? "switch on" : "switch", role: "group", "aria-label": NAMES[name] },
    el("span", { class: "dot" }),
    el("span", { class: "who" }, el("strong", {}, NAMES[name]), el("span", { class: "muted", title: fault ? JSON.stringify(fault) : "" }, fault ? describe(fault) : "works")),
    fault ? el("button", { type: "button", onclick: () => put(name, null, onChange) }, "Clear") : menu(name, onChange),
  );
}

function menu(name, onChange) {
  const options = PRESETS.filter(([, , , only]) => !only || only === name).map(([value, label]) => el("option", { value }, label));
  const choose = (event) => put(name, PRESETS.find(([value]) => value === event.target.value)[2], onChange);
  return el("select", { "aria-label": `Make ${NAMES[name]} fail`, onchange: choose }, el("option", { value: "" }, "Make it fail…"), ...options);
}

async function put(name, fault, onChange) {
  const init = fault
    ? { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fault) }
    : { method: "DELETE" };
  await fetch(`/api/faults/${name}`, init);
  onChange();
}

export function describe(fault) {
  const what = {
    status: () => `answers ${fault.status}`,
    hang: () => "hangs",
    reset: () => "resets connections",
    refuse: () => "refuses connections",
    trickle: () => `trickles, ${fault.latency_ms} ms a byte`,
    latency: () => `${fault.latency_ms} ms late`,
  }[fault.mode]();
  const more = [
    fault.percent < 100 && `${fault.percent} %`,
    fault.times && `${fault.times - fault.hits} left`,
    !fault.times && fault.hits > 0 && `${fault.hits} hit${fault.hits > 1 ? "s" : ""}`,
    fault.accepts && "mail taken in",
  ];
  return [what, ...more.filter(Boolean)].join(" · ");
}
