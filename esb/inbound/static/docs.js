"use strict";
// Renders /openapi.json. Everything from the description goes in as text nodes: nothing in it can become markup.

const WORDS = {
  az: {
    mine: "Marşrutlarım", token: "Token", parameters: "Başlıqlar və parametrlər", request: "Sorğu", reply: "Cavab",
    data: "Cavabın `data` sahəsi", samples: "Nümunələr", curl: "curl", name: "Ad", type: "Növ", about: "İzah",
    required: "vacib", copy: "Köçür", copied: "Köçürüldü", faults: "Xətalar", code: "Kod", advice: "Məsləhət",
    asynchronous: "asinxron", basis: "Hüquqi əsas", audience: "Auditoriya", deadline: "son müddət", signed: "imzalı sorğu",
    refused: "Giriş alınmadı", none: "Sizə açıq marşrut yoxdur.", one: "Biri:", any: "istənilən",
    hint: "Tokeninizi yazsanız, sizə açıq marşrutlar burada görünəcək. Hər token bir dəfə işləyir.",
  },
  en: {
    mine: "My routes", token: "Token", parameters: "Headers and parameters", request: "Request", reply: "Reply",
    data: "`data` of the reply", samples: "Samples", curl: "curl", name: "Name", type: "Type", about: "Meaning",
    required: "required", copy: "Copy", copied: "Copied", faults: "Faults", code: "Code", advice: "Advice",
    asynchronous: "asynchronous", basis: "Legal basis", audience: "Audience", deadline: "deadline", signed: "signed requests",
    refused: "Not let in", none: "No route is open to you.", one: "One of:", any: "any",
    hint: "Give your token and the routes open to you appear here. Each token works once.",
  },
};

let language = (navigator.language || "az").toLowerCase().startsWith("az") ? "az" : "en";
let description = null;
let problem = null;

const words = () => WORDS[language];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// `code` in descriptions becomes <code>, nothing else is interpreted.
function prose(text) {
  return String(text || "").split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function told(thing, field) {
  if (!thing) return "";
  const other = thing["x-az"];
  if (language === "az" && other) {
    const text = typeof other === "string" ? other : other[field];
    if (text) return text;
  }
  return thing[field] || "";
}

function at(reference, root) {
  return reference.slice(2).split("/").reduce((node, step) => (node || {})[step.replace(/~1/g, "/").replace(/~0/g, "~")], root);
}

function resolved(thing, root = description) {
  let node = thing;
  for (let hops = 0; node && node.$ref && hops < 20; hops += 1) {
    node = at(node.$ref, node.$ref.startsWith("#/components/") ? description : root) || {};
  }
  return node || {};
}

function operations() {
  const found = [];
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of ["get", "post"]) {
      if (item[method]) found.push({ path, method, item, operation: item[method], id: item[method].operationId });
    }
  }
  return found;
}

function groups() {
  const all = operations();
  return description.tags.map((tag) => ({ tag, members: all.filter((one) => one.operation.tags.includes(tag.name)) }));
}

const badge = (method) => element("span", { class: `method ${method}` }, method.toUpperCase());

function contents() {
  const nav = document.getElementById("contents");
  nav.replaceChildren();
  for (const { tag, members } of groups()) {
    if (!members.length) continue;
    nav.append(element("h2", {}, told(tag, "description").replace(/\.$/, "")));
    for (const { path, method, operation, id } of members) {
      const label = operation["x-route"] ? operation["x-route"].id : path;
      nav.append(element("a", { href: `#${id}` }, badge(method), label));
    }
  }
}

function constraints(schema) {
  const facts = [];
  if (schema.const !== undefined) facts.push(JSON.stringify(schema.const));
  if (schema.enum) facts.push(`${words().one} ${schema.enum.map(String).join(" | ")}`);
  if (schema.pattern) facts.push(schema.pattern);
  if (schema.minLength !== undefined || schema.maxLength !== undefined)
    facts.push(`${schema.minLength ?? 0}…${schema.maxLength ?? "∞"}`);
  if (schema.minimum !== undefined || schema.maximum !== undefined)
    facts.push(`${schema.minimum ?? "−∞"}…${schema.maximum ?? "∞"}`);
  if (schema.default !== undefined && schema.default !== null && typeof schema.default !== "object")
    facts.push(`= ${JSON.stringify(schema.default)}`);
  return facts.join(" · ");
}

function typeName(schema, root) {
  const node = resolved(schema, root);
  if (node.anyOf || node.oneOf) {
    return [...new Set((node.anyOf || node.oneOf).map((one) => typeName(one, root)))].join(" | ");
  }
  if (node.type === "array") return `${typeName(node.items || {}, root)}[]`;
  const type = Array.isArray(node.type) ? node.type.join(" | ") : node.type;
  if (!type) return node.enum || node.const !== undefined ? "string" : words().any;
  return node.format ? `${type} (${node.format})` : type;
}

// The object inside a schema, if there is one: behind references, null alternatives and list items.
function inner(schema, root) {
  const node = resolved(schema, root);
  if (node.properties) return node;
  if (node.allOf) {
    const parts = node.allOf.map((one) => inner(one, root)).filter(Boolean);
    return { properties: Object.assign({}, ...parts.map((one) => one.properties)), required: parts.flatMap((one) => one.required || []) };
  }
  if (node.type === "array" && node.items) return inner(node.items, root);
  for (const one of [...(node.anyOf || []), ...(node.oneOf || [])]) {
    const found = inner(one, root);
    if (found) return found;
  }
  return null;
}

function rows(schema, root, depth = 0, seen = []) {
  const node = inner(schema, root);
  if (!node || depth > 6 || seen.includes(node)) return [];
  const made = [];
  for (const [name, member] of Object.entries(node.properties)) {
    const target = resolved(member, root);
    const required = (node.required || []).includes(name);
    made.push(element("tr", {},
      element("td", { class: `depth${depth}` }, element("code", {}, name),
        required ? element("span", { class: "required" }, words().required) : null),
      element("td", {}, typeName(member, root)),
      element("td", {}, ...prose(told(member, "description")), told(member, "description") ? " " : "",
        constraints(target) ? element("code", {}, constraints(target)) : null)));
    made.push(...rows(member, root, depth + 1, [...seen, node]));
  }
  return made;
}

function table(heads, body) {
  return element("div", { class: "table" }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...body)));
}

function fields(title, schema, root) {
  const body = rows(schema, root);
  if (!body.length) return [];
  return [element("h3", {}, ...prose(title)), table([words().name, words().type, words().about], body)];
}

function sample(title, text) {
  const button = element("button", { type: "button" }, words().copy);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = words().copied;
  });
  return element("div", {}, element("h3", {}, title),
    element("div", { class: "code" }, button, element("pre", {}, element("code", {}, text))));
}

const json = (value) => JSON.stringify(value, null, 2);

function example(content) {
  const media = ((content || {}).content || {})["application/json"] || {};
  const first = Object.values(media.examples || {})[0];
  return first ? first.value : undefined;
}

function curl(path, method, body) {
  const lines = [`curl -sS ${location.origin}${path}`, '-H "Authorization: Bearer $TOKEN"'];
  if (method === "post" && body !== undefined) {
    lines.push('-H "Content-Type: application/json"', `-H "Message-Id: $(uuidgen)"`, `-d '${JSON.stringify(body).replace(/'/g, "'\\''")}'`);
  } else if (method === "post") lines.push("-X POST");
  return lines.join(" \\\n  ");
}

function parameters(item, operation) {
  const all = [...(item.parameters || []), ...(operation.parameters || [])].map((one) => resolved(one));
  if (!all.length) return [];
  return [element("h3", {}, words().parameters), table([words().name, words().type, words().about], all.map((one) =>
    element("tr", {},
      element("td", {}, element("code", {}, one.name), one.required ? element("span", { class: "required" }, words().required) : null),
      element("td", {}, `${typeName(one.schema || {}, description)} · ${one.in}`),
      element("td", {}, ...prose(told(one, "description")), " ",
        constraints(one.schema || {}) ? element("code", {}, constraints(one.schema)) : null))))];
}

function responses(operation) {
  const made = [element("h3", {}, words().reply)];
  for (const [status, response] of Object.entries(operation.responses).sort()) {
    const node = resolved(response);
    const faults = node["x-faults"];
    const label = [element("span", { class: `status${status >= "400" ? " bad" : ""}` }, status), ...prose(told(node, "description"))];
    if (!faults) {
      made.push(element("p", {}, ...label));
      continue;
    }
    made.push(element("details", {}, element("summary", {}, ...label),
      table([words().code, words().advice, words().about], faults.map((fault) => element("tr", {},
        element("td", {}, element("code", {}, fault.code)), element("td", {}, element("code", {}, fault.advice)),
        element("td", {}, ...prose(fault[language])))))));
  }
  return made;
}

function dataSchema(operation) {
  const media = ((operation.responses["200"] || {}).content || {})["application/json"];
  const own = media && media.schema && media.schema.allOf && media.schema.allOf[1];
  if (!operation["x-route"] || !own) return null;
  return own.properties.data.anyOf[0];
}

function facts(route) {
  if (!route) return null;
  const list = [`${words().audience}: ${route.audience.join(", ")}`, `${words().basis}: ${route.legal_basis}`,
    `${words().deadline}: ${route.deadline_s} s`, `v${route.version}`];
  if (route.asynchronous) list.push(words().asynchronous);
  if (route.signed_requests) list.push(words().signed);
  return element("ul", { class: "facts" }, ...list.map((fact) => element("li", {}, fact)));
}

function section({ path, method, item, operation, id }) {
  const body = operation.requestBody;
  const request = body ? body.content["application/json"].schema : null;
  const own = request && request.$defs ? request : description;
  const asked = example(body);
  const answered = example(operation.responses["200"]);
  const data = dataSchema(operation);
  const generic = resolved((((operation.responses["200"] || {}).content || {})["application/json"] || {}).schema || {});
  const samples = [sample(words().curl, curl(path, method, body ? asked ?? {} : undefined))];
  if (asked !== undefined) samples.push(sample(words().request, json(asked)));
  if (answered !== undefined) samples.push(sample(words().reply, json(answered)));
  return element("section", { id },
    element("h2", {}, ...prose(told(operation, "summary"))),
    element("div", { class: "address" }, badge(method), element("code", {}, path)),
    facts(operation["x-route"]),
    ...parameters(item, operation),
    ...(request ? fields(words().request, request, own) : []),
    ...(data ? fields(words().data, data, data.$defs ? data : description) : []),
    ...(!data ? fields(words().reply, generic, description) : []),
    element("div", { class: "samples" }, ...samples),
    ...responses(operation));
}

function main() {
  const root = document.getElementById("main");
  const info = description.info;
  root.replaceChildren(
    element("h1", {}, told(info, "title")),
    element("p", { class: "lead" }, ...prose(told(info, "description"))),
    element("p", { class: "quiet" }, words().hint, " ", element("a", { href: "/openapi.json" }, "OpenAPI 3.1")));
  if (problem) root.append(element("p", { class: "notice", role: "alert" }, problem));
  for (const { members } of groups()) root.append(...members.map(section));
}

function render() {
  document.documentElement.lang = language;
  document.getElementById("token-label").textContent = words().token;
  document.getElementById("token-button").textContent = words().mine;
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  if (!description) return;
  document.getElementById("brand").textContent = document.title = told(description.info, "title");
  contents();
  main();
}

async function load(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch("/openapi.json", { headers, cache: "no-store" });
  const body = await response.json();
  if (response.ok) {
    description = body;
    problem = token && !operations().some((one) => one.operation["x-route"]) ? words().none : null;
  } else {
    problem = `${words().refused}: ${((body.faults || [])[0] || { message: {} }).message[language] || response.status}`;
  }
  render();
}

document.getElementById("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("token");
  load(field.value.trim());
  field.value = "";
});
for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => { language = button.dataset.language; render(); });
render();
load("");
