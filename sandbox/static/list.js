import { answerMark, badge, byId, clock, copyMark, el, people } from "./dom.js";

const PAGE = 100;

// The mails that are loaded, newest first, and their rows.
export class List {
  constructor(onSelect) {
    this.mails = [];
    this.selected = null;
    this.onSelect = onSelect;
    byId("search").addEventListener("input", () => this.render());
    byId("mails").addEventListener("keydown", (event) => this.#arrow(event));
  }

  get newest() {
    return this.mails.length ? this.mails[0].id : 0;
  }

  get last() {
    return this.mails.length ? this.mails[this.mails.length - 1].id : 0;
  }

  // Take in what is new and drop what was deleted; tell whether anything changed.
  update(mails, oldest) {
    const before = this.mails.length;
    // A full page may have left some out in between: begin anew, "older" brings the rest.
    const kept = mails.length < PAGE ? this.mails.filter((mail) => oldest !== null && mail.id >= oldest) : [];
    const fresh = mails.filter((mail) => mail.id > (kept.length ? kept[0].id : 0));
    for (const mail of fresh) this.#recount(kept, mail);
    this.mails = [...fresh, ...kept];
    return fresh.length > 0 || kept.length !== before;
  }

  append(mails) {
    this.mails.push(...mails);
    this.render();
  }

  #recount(kept, fresh) {
    if (fresh.copies < 2) return;
    for (const mail of kept) if (mail.envelope_id === fresh.envelope_id && mail.copies < fresh.copies) mail.copies = fresh.copies;
  }

  select(id) {
    this.selected = id;
    for (const row of byId("mails").children) row.firstChild.setAttribute("aria-current", String(row.dataset.id === String(id)));
  }

  render() {
    const words = byId("search").value.trim().toLowerCase();
    const shown = this.mails.filter((mail) => !words || haystack(mail).includes(words));
    const focused = document.activeElement?.closest?.("#mails li")?.dataset.id;
    byId("mails").replaceChildren(...shown.map((mail) => this.#row(mail)));
    if (focused) byId("mails").querySelector(`li[data-id="${focused}"] button`)?.focus({ preventScroll: true });
    byId("empty").hidden = this.mails.length > 0;
    byId("nomatch").hidden = this.mails.length === 0 || shown.length > 0;
    byId("clear").disabled = this.mails.length === 0;
  }

  offerOlder(oldest) {
    byId("older").hidden = oldest === null || this.mails.length < PAGE || this.last <= oldest;
  }

  #row(mail) {
    const button = el(
      "button",
      { type: "button", onclick: () => this.onSelect(mail.id), "aria-current": String(mail.id === this.selected) },
      el("span", { class: "line" }, el("span", { class: "to" }, people([...mail.to, ...mail.cc, ...mail.bcc])), el("time", { dateTime: mail.received_at }, clock(mail.received_at))),
      el("span", { class: "subject" }, mail.subject || "(no subject)"),
      el("span", { class: "line" }, badge(mail.provider), el("span", { class: "from" }, mail.from.email), clip(mail), copyMark(mail), answerMark(mail)),
    );
    const row = el("li", {}, button);
    row.dataset.id = mail.id;
    return row;
  }

  #arrow(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const row = step && event.target.closest("li")?.[step];
    if (!row) return;
    event.preventDefault();
    row.firstChild.focus();
    row.firstChild.click();
  }
}

function clip(mail) {
  const count = mail.attachments.length;
  return count ? el("span", { class: "mark" }, count > 1 ? `${count} files` : "1 file") : null;
}

function haystack(mail) {
  const addresses = [mail.from, ...mail.to, ...mail.cc, ...mail.bcc].map((p) => `${p.name} ${p.email}`);
  return [mail.subject, mail.provider, mail.provider_message_id, mail.envelope_id ?? "", ...addresses].join("\n").toLowerCase();
}
