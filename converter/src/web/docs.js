// Shows /openapi.json to people: each route with its options, bodies and answers. Text only ever goes in as text.

const VERBS = ["get", "post", "put", "delete"];

/** An element with this text and these children. */
function make(tag, text = "", ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children.filter(Boolean));
  return element;
}

function resolve(contract, schema) {
  const path = schema?.$ref?.replace(/^#\//, "").split("/");
  return path ? path.reduce((part, name) => part?.[name], contract) : schema;
}

/** What a value may be, in few words. */
function kind(contract, schema) {
  if (!schema) return "";
  const options = schema.oneOf?.filter((option) => option.type !== "null");
  if (options?.length) return options.map((option) => kind(contract, option)).join(" or ");
  const found = resolve(contract, schema);
  if (found.enum) return found.enum.join(" | ");
  const types = [found.type ?? "object"].flat().filter((type) => type !== "null");
  const bounds = found.minimum !== undefined ? ` ${found.minimum} to ${found.maximum}` : "";
  return types.join(" or ") + bounds;
}

function table(heads, rows) {
  if (!rows.length) return null;
  const head = make("tr", "", ...heads.map((name) => make("th", name)));
  const body = rows.map((cells) => make("tr", "", ...cells.map((cell, at) => (at ? make("td", cell) : make("td", "", make("code", cell))))));
  return make("table", "", make("thead", "", head), make("tbody", "", ...body));
}

function operation(contract, path, verb, told) {
  const options = (told.parameters ?? []).map((one) => [one.name, kind(contract, one.schema), one.description ?? ""]);
  const bodies = Object.keys(told.requestBody?.content ?? {});
  const answers = Object.entries(told.responses ?? {}).map(([status, answer]) => [
    status,
    answer.description ?? "",
    Object.keys(answer.content ?? {}).join(", "),
  ]);
  return make(
    "section",
    "",
    make("h2", "", make("code", `${verb.toUpperCase()} ${path}`)),
    make("p", told.summary ?? ""),
    told.description ? make("p", told.description) : null,
    options.length ? make("h3", "Options in the address") : null,
    table(["name", "value", "meaning"], options),
    bodies.length ? make("h3", "Body") : null,
    bodies.length ? make("p", bodies.join(", ")) : null,
    make("h3", "Answers"),
    table(["status", "meaning", "type"], answers),
  );
}

function members(contract, name) {
  const { properties = {}, required = [] } = contract.components.schemas[name];
  const rows = Object.entries(properties).map(([member, schema]) => [
    member,
    kind(contract, schema) + (required.includes(member) ? "" : ", may be absent"),
    resolve(contract, schema)?.description ?? schema.description ?? "",
  ]);
  return make("section", "", make("h2", "", make("code", name)), table(["member", "value", "meaning"], rows));
}

async function show() {
  const place = document.getElementById("contract");
  document.getElementById("example").textContent = [
    `curl --data-binary @in.wav -o out.flac '${location.origin}/convert'`,
    `curl -F file=@one.wav -F file=@two.wav -o both.zip '${location.origin}/convert?level=8'`,
  ].join("\n");
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const contract = await answer.json();
  const routes = Object.entries(contract.paths).flatMap(([path, verbs]) =>
    VERBS.filter((verb) => verbs[verb]).map((verb) => operation(contract, path, verb, verbs[verb])),
  );
  const bodies = ["Problem", "Manifest", "ManifestFile"].filter((name) => contract.components.schemas[name]);
  place.replaceChildren(...routes, ...bodies.map((name) => members(contract, name)));
}

show().catch((error) => {
  document.getElementById("contract").textContent = `The contract could not be loaded: ${error.message}`;
});
