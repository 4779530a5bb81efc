// What the three pages of the vote share: texts, elements, requests.
"use strict";

const texts = JSON.parse(document.getElementById("texts").textContent);
const base = document.body.dataset.base;
const language = document.documentElement.lang;
const app = document.getElementById("app");

function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// An element: h("button.main", {onclick}, "text", child, …). Attributes that are false or null are left out.
function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

function show(...children) {
  app.replaceChildren(...children.flat().filter(Boolean));
}

function announce(text) {
  document.getElementById("live").textContent = text;
}

class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// An answer of the server's as JSON, or as a blob. Throws Refusal with a sentence; a TypeError where there is no network.
async function ask(path, { body, secret, raw } = {}) {
  const headers = { "Accept-Language": language };
  if (secret) headers.Authorization = `Bearer ${secret}`;
  const sent = body instanceof Blob ? body : body && JSON.stringify(body);
  if (sent && !(body instanceof Blob)) headers["Content-Type"] = "application/json";
  const answer = await fetch(base + path, { method: body ? "POST" : "GET", headers, body: sent, cache: "no-store" });
  if (answer.ok && raw) return answer.blob();
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(data.error || t("error.failed"), answer.status);
  return data;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function languages() {
  const names = { en: "English", fr: "Français", zh: "中文" };
  return h(
    "nav.languages",
    { "aria-label": t("phone.language") },
    Object.entries(names).map(([short, name]) => {
      const url = new URL(location.href);
      url.searchParams.set("lang", short);
      return h("a", { href: url.href, lang: short, hreflang: short, "aria-current": short === language && "true" }, name);
    }),
  );
}

// With a fragment alone in the address a browser does not load it again, though another language needs that.
addEventListener("click", (event) => {
  const link = event.target.closest?.(".languages a");
  if (!link) return;
  event.preventDefault();
  location.replace(link.href);
  if (new URL(link.href).search === location.search) location.reload();
});

function download(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
