import { answerMark, badge, byId, copyMark, el, mailbox, size } from "./dom.js";

const VIEWS = [
  ["html", "HTML", (mail) => mail.html !== null],
  ["text", "Text", (mail) => mail.text !== null],
  ["source", "HTML source", (mail) => mail.html !== null],
  ["data", "Headers and data", () => true],
];

let wanted = "html"; // the view chosen last is kept from mail to mail

export function showNothing() {
  byId("detail").replaceChildren(el("p", { class: "empty" }, "Select a mail to read it."));
}

export function showGone() {
  byId("detail").replaceChildren(el("p", { class: "empty" }, "This mail was deleted."));
}

export function show(mail, onBack) {
  const views = VIEWS.filter(([, , has]) => has(mail));
  const tabs = el("div", { class: "tabs", role: "tablist" });
  const body = el("div", { class: "body" });
  const open = (name) => {
    for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.view === name));
    body.replaceChildren(render(name, mail));
  };
  for (const [name, label] of views) {
    const choose = () => {
      wanted = name;
      open(name);
    };
    const tab = el("button", { type: "button", role: "tab", onclick: choose }, label);
    tab.dataset.view = name;
    tabs.append(tab);
  }
  byId("detail").replaceChildren(head(mail, onBack), files(mail), tabs, body);
  open(views.some(([name]) => name === wanted) ? wanted : views[0][0]);
  byId("detail").scrollTop = 0;
}

function head(mail, onBack) {
  const rows = [
    ["From", mailbox(mail.from)],
    ["To", mail.to.map(mailbox).join(", ")],
    ["Cc", mail.cc.map(mailbox).join(", ")],
    ["Bcc", mail.bcc.map(mailbox).join(", ")],
    ["Received", new Date(mail.received_at).toLocaleString()],
    ["Deliver at", mail.deliver_at ? new Date(mail.deliver_at).toLocaleString() : ""],
  ];
  return el(
    "header",
    {},
    el("button", { type: "button", class: "quiet back", onclick: onBack }, "← All mails"),
    el("p", { class: "line" }, badge(mail.provider), copyMark(mail), answerMark(mail), ...mail.tags.map((tag) => el("span", { class: "mark" }, tag))),
    el("h2", {}, mail.subject || "(no subject)"),
    table(rows.filter(([, value]) => value)),
  );
}

function table(rows) {
  return el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function files(mail) {
  if (!mail.attachments.length) return "";
  const links = mail.attachments.map((file, position) =>
    el(
      "a",
      { class: "file", href: address(mail, position), download: "", title: file.content_id ? `inline, cid:${file.content_id}` : file.content_type },
      el("span", { class: "name" }, file.filename),
      el("span", { class: "muted" }, file.content_id ? `inline · ${size(file.size)}` : size(file.size)),
    ),
  );
  return el("div", { class: "files" }, ...links);
}

function address(mail, position) {
  return `/mails/${mail.id}/attachments/${position}`;
}

function render(view, mail) {
  if (view === "html") return frame(mail);
  if (view === "text") return el("pre", {}, mail.text);
  if (view === "source") return el("pre", { class: "code" }, mail.html);
  return data(mail);
}

// No scripts, no forms, an origin of its own; links open a tab of theirs. The document inherits this page's policy,
// which keeps everything from elsewhere out.
function frame(mail) {
  const node = el("iframe", { title: "The mail's HTML", referrerPolicy: "no-referrer" });
  node.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
  node.srcdoc = `<!doctype html><base target="_blank"><meta name="color-scheme" content="light">${readable(withImages(mail))}`;
  return node;
}

// The policy blocks all of these, but Chromium already connects to where a frame points before it asks the policy.
function readable(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const node of parsed.querySelectorAll("script, iframe, frame, object, embed, base, link, meta[http-equiv]")) node.remove();
  return parsed.documentElement.outerHTML;
}

function withImages(mail) {
  const positions = new Map();
  mail.attachments.forEach((file, position) => {
    if (file.content_id) positions.set(file.content_id, position);
  });
  return mail.html.replace(/\bcid:([^"'\s>)]+)/gi, (whole, name) => {
    const position = positions.get(name) ?? positions.get(decoded(name));
    return position === undefined ? whole : address(mail, position);
  });
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function data(mail) {
  const ids = [
    ["provider message id", mail.provider_message_id],
    ["envelope id", mail.envelope_id ?? ""],
    ["inbox id", String(mail.id)],
  ].filter(([, value]) => value);
  const groups = [
    ["Ids", ids],
    ["Headers of the mail", Object.entries(mail.headers)],
    [mail.provider === "sendgrid" ? "custom_args" : "v: variables", Object.entries(mail.args)],
    ["Headers of the request", Object.entries(mail.request)],
  ];
  const shown = groups.filter(([, rows]) => rows.length);
  return el("div", { class: "data" }, ...shown.flatMap(([title, rows]) => [el("h3", {}, title), table(rows)]));
}
