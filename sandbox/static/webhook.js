import { byId, el } from "./dom.js";

// What is worth trying, by the name a person would give it.
const PRESETS = [
  ["flow", "As they come", {}],
  ["hold", "Hold back", { hold: true }],
  ["mess", "Shuffled and doubled", { shuffled: true, doubled: true }],
  ["lost", "Lose", { lost: true }],
];

let drawn = "";

// `state` is null where no webhooks are sent: then there is nothing to switch.
export function showWebhooks(state, onChange) {
  const text = JSON.stringify(state);
  if (text === drawn) return; // an open menu must not close under the hand
  drawn = text;
  byId("webhooks").replaceChildren(...(state ? [card(state, onChange)] : []));
}

function card(state, onChange) {
  const now = state.lost ? "lost" : state.hold ? "hold" : state.shuffled || state.doubled ? "mess" : "flow";
  const options = PRESETS.map(([value, label]) => el("option", { value, selected: value === now }, label));
  const choose = (event) => put(PRESETS.find(([value]) => value === event.target.value)[2], onChange);
  return el(
    "div",
    { class: now === "flow" ? "switch" : "switch on", role: "group", "aria-label": "Webhooks" },
    el("span", { class: "dot" }),
    el("span", { class: "who" }, el("strong", {}, "Webhooks"), el("span", { class: "muted" }, describe(Object.values(state.providers)))),
    el("select", { "aria-label": "How webhooks are sent", onchange: choose }, ...options),
  );
}

async function put(flow, onChange) {
  const headers = { "Content-Type": "application/json" };
  await fetch("/api/webhooks", { method: "PUT", headers, body: JSON.stringify(flow) });
  onChange();
}

function describe(providers) {
  const sum = (name) => providers.reduce((total, counts) => total + counts[name], 0);
  const lost = sum("lost");
  return [`${sum("sent")} sent`, `${sum("waiting")} waiting`, ...(lost ? [`${lost} lost`] : [])].join(" · ");
}
