import { byId } from "./dom.js";
import { show, showGone, showNothing } from "./detail.js";
import { showFaults } from "./fault.js";
import { List } from "./list.js";
import { showWebhooks } from "./webhook.js";

const EVERY = 1500; // milliseconds between two looks

const list = new List((id) => {
  location.hash = `mail/${id}`;
});

let waiting = null;
let started = false;
let shown = null; // the mail that is open

// Ask for what is newer than the newest we have; the answer is small when nothing came.
async function look() {
  clearTimeout(waiting);
  try {
    const news = await get(`/api/poll?after=${list.newest}&limit=100`);
    if (list.update(news.mails, news.oldest) || !started) {
      started = true;
      list.render();
      refreshCopies();
    }
    list.offerOlder(news.oldest);
    showFaults(news.faults, look);
    showWebhooks(news.webhooks, look);
    say(news.total === 1 ? "1 mail" : `${news.total.toLocaleString("en")} mails`, false);
  } catch {
    say("The sandbox does not answer", true);
  }
  clearTimeout(waiting);
  waiting = setTimeout(look, document.hidden ? EVERY * 4 : EVERY);
}

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

function say(text, wrong) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}

async function open() {
  const id = Number(/^#mail\/(\d+)$/.exec(location.hash)?.[1] ?? 0);
  list.select(id || null);
  byId("main").classList.toggle("reading", id > 0);
  if (!id) return showNothing();
  try {
    const mail = await get(`/api/mails/${id}`);
    if (list.selected !== id) return undefined; // another was chosen meanwhile
    shown = mail;
    return show(mail, () => (location.hash = ""));
  } catch {
    return showGone();
  }
}

// A further copy changes what the open mail says of itself; nothing else makes it jump.
function refreshCopies() {
  const row = list.mails.find((mail) => mail.id === list.selected);
  if (row && shown && shown.id === row.id && shown.copies !== row.copies) open();
  // It may also be older than all that is loaded; only what is newer than the oldest of them was deleted.
  if (list.selected && !row && list.selected > list.last) showGone();
}

byId("clear").addEventListener("click", async () => {
  await fetch("/api/mails", { method: "DELETE" });
  location.hash = "";
  look();
});

byId("older").addEventListener("click", async () => {
  const news = await get(`/api/poll?before=${list.last}&limit=100`);
  list.append(news.mails);
  list.offerOlder(news.oldest);
});

addEventListener("hashchange", open);
document.addEventListener("visibilitychange", look);

byId("example").textContent = [
  "curl -u api:key-sandbox",
  `${location.host}/v3/sandbox.example/messages`,
  "-F from=me@sandbox.example",
  "-F to=you@example.com",
  "-F subject=Hello -F text='It works.'",
].join(" \\\n  ");
look().then(open);
