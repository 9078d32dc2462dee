// Whatever a mail contains reaches the page as text: nothing here takes markup.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

export function people(list) {
  return list.map((p) => p.name || p.email).join(", ");
}

export function mailbox(person) {
  return person.name ? `${person.name} <${person.email}>` : person.email;
}

export function clock(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  return today
    ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })
    : time.toLocaleDateString([], { day: "numeric", month: "short" });
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function badge(provider) {
  return el("span", { class: `badge ${provider}` }, provider === "sendgrid" ? "SendGrid" : "Mailgun");
}

export function copyMark(mail) {
  return mail.copies > 1 ? el("span", { class: "mark warn" }, `copy ${mail.copy} of ${mail.copies}`) : null;
}

// A mail that was taken in although its sender was not told so.
export function answerMark(mail) {
  if (mail.answered === "accepted") return null;
  const title = "The provider took this mail in, but its caller got no yes.";
  return el("span", { class: "mark danger", title }, `caller saw ${mail.answered}`);
}
