// Elements are made here and nowhere else: text is only ever put in as text, so that a report's markup stays words.

/** Return a new element; `attributes.on` holds listeners, and strings among the children become text. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return a key as it is shown. */
export const key = (name) => el("kbd", { "aria-hidden": "true" }, name);

export const byId = (id) => document.getElementById(id);
