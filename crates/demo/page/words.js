// What all parts of the page need: elements, words and times. User's text only ever becomes text nodes.

/** The element of this id. */
export const by = (id) => document.getElementById(id);

/** A new element with these properties (`class`, listeners, attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** The time of day, as a phone shows it. */
export const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

const MARKS = { "*": "strong", "_": "em", "~": "s" };
// Marks stand at the edge of words and hold no blank inside their ends; a link is one of our own.
const PIECE = /(?<![\p{L}\p{N}])([*_~])(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}])|(https?:\/\/\S+)/gu;

/** WhatsApp's formatting, as nodes. */
export function formatted(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(PIECE)) {
    nodes.push(text.slice(end, found.index));
    const [whole, mark, inside, link] = found;
    if (mark) nodes.push(make(MARKS[mark], {}, ...formatted(inside)));
    else if (isOurs(link)) nodes.push(make("a", { href: link, "data-ticket": new URL(link).pathname.split("/")[2] }, link));
    else nodes.push(whole);
    end = found.index + whole.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** Where our own links lead. Others may look like them. */
let base = "";

/** Says where our own links lead. */
export function linksLeadTo(address) {
  base = address;
}

function isOurs(link) {
  return URL.canParse(link) && new URL(link).origin === base && new URL(link).pathname.startsWith("/ticket/");
}

/** Sends JSON. */
export function send(method, path, body, headers = {}) {
  return fetch(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

const PICTURES = { bottles: "A broken bottle in a puddle", parcel: "A dented parcel", label: "A label on its side" };

/** One of the example pictures. */
export const picture = (name) => make("img", { src: `/${name}.svg`, alt: PICTURES[name] ?? name, class: "picture" });
/** The names of the example pictures. */
export const pictures = Object.keys(PICTURES);
