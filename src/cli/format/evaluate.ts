/** Executes templates: Go's text/template with the functions docker adds. */
import { toJson } from "./json.ts";
import { type CommandCall, type Expression, type Node, type Pipeline, parseTemplate, TemplateError } from "./template.ts";

type Scope = { variables: Map<string, unknown>; parent: Scope | undefined };
type Signal = "break" | "continue" | undefined;

/** A template ready to be executed again and again. Throws {@link TemplateError}. */
export function compileTemplate(source: string): (data: unknown) => string {
  const nodes = parseTemplate(source);
  return (data) => {
    const execution = new Execution();
    execution.list(nodes, data, { variables: new Map([["$", data]]), parent: undefined });
    return execution.output;
  };
}

const isTrue = (value: unknown): boolean => {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== "object" || Object.keys(value).length > 0 || typeof (value as object).constructor !== "function";
};

const failAt = (where: string, why: string): never => {
  throw new TemplateError(`template: :1: executing "" at <${where}>: ${why}`);
};

class Execution {
  output = "";

  list(nodes: Node[], dot: unknown, scope: Scope): Signal {
    for (const node of nodes) {
      const signal = this.#node(node, dot, scope);
      if (signal) return signal;
    }
    return undefined;
  }

  #node(node: Node, dot: unknown, scope: Scope): Signal {
    switch (node.kind) {
      case "text":
        this.output += node.text;
        return undefined;
      case "action": {
        const value = this.#pipeline(node.pipeline, dot, scope);
        if (node.pipeline.declare.length === 0) this.output += formatValue(value);
        return undefined;
      }
      case "break":
      case "continue":
        return node.kind;
      case "range":
        return this.#range(node, dot, scope);
      case "template": {
        const value = node.pipeline && this.#pipeline(node.pipeline, dot, scope);
        const nodes = node.definitions.get(node.name) ?? failAt(node.name, `template ${JSON.stringify(node.name)} not defined`);
        this.list(nodes, value, { variables: new Map([["$", value]]), parent: undefined });
        return undefined;
      }
      default: {
        const inner: Scope = { variables: new Map(), parent: scope };
        const value = this.#pipeline(node.pipeline, dot, inner);
        if (!isTrue(value)) return this.list(node.otherwise, dot, inner);
        return this.list(node.body, node.kind === "with" ? value : dot, inner);
      }
    }
  }

  #range(node: Extract<Node, { body: Node[] }>, dot: unknown, scope: Scope): Signal {
    const value = this.#pipeline({ ...node.pipeline, declare: [] }, dot, scope);
    const entries: [unknown, unknown][] = Array.isArray(value)
      ? value.map((v, i) => [i, v])
      : typeof value === "number"
        ? Array.from({ length: value }, (_, i) => [i, i])
        : Object.entries(value ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    if (entries.length === 0) return this.list(node.otherwise, dot, scope);
    const names = node.pipeline.declare;
    for (const [key, item] of entries) {
      const variables = new Map<string, unknown>();
      if (names.length === 1) variables.set(names[0] as string, item);
      if (names.length === 2) {
        variables.set(names[0] as string, key);
        variables.set(names[1] as string, item);
      }
      if (this.list(node.body, item, { variables, parent: scope }) === "break") break;
    }
    return undefined;
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, i) => {
      value = this.#command(command, dot, scope, i === 0 ? [] : [value]);
    });
    for (const name of pipeline.declare) {
      const owner = pipeline.assign ? findScope(scope, name) : scope;
      if (!owner) throw new TemplateError(`template: :1: undefined variable ${JSON.stringify(name)}`);
      owner.variables.set(name, value);
    }
    return value;
  }

  #command(command: CommandCall, dot: unknown, scope: Scope, piped: unknown[]): unknown {
    const [first, ...rest] = command.operands;
    if (!first) return undefined;
    if (first.kind === "function") {
      // Only what decides is evaluated, as Go does since 1.18.
      if (first.name === "and" || first.name === "or") {
        let value: unknown;
        for (const operand of rest) {
          value = this.#value(operand, dot, scope);
          if (isTrue(value) === (first.name === "or")) return value;
        }
        return piped.length > 0 ? piped[0] : value;
      }
      return callFunction(first.name, [...rest.map((operand) => this.#value(operand, dot, scope)), ...piped], command.text);
    }
    const value = this.#value(first, dot, scope, rest.length + piped.length > 0);
    if (rest.length === 0 && piped.length === 0) return value;
    if (typeof value !== "function") return failAt(command.text, "can't give argument to non-function");
    return value(...rest.map((operand) => this.#value(operand, dot, scope)), ...piped);
  }

  // A method that is given arguments is what comes out, else what it gives.
  #value(expression: Expression, dot: unknown, scope: Scope, isCalled = false): unknown {
    if (expression.kind === "literal") return expression.value;
    if (expression.kind === "function") return callFunction(expression.name, [], expression.name);
    const { base } = expression;
    let value: unknown;
    if (base === "dot") value = dot;
    else if ("variable" in base) {
      const owner = findScope(scope, base.variable);
      if (!owner) throw new TemplateError(`template: :1: undefined variable ${JSON.stringify(base.variable)}`);
      value = owner.variables.get(base.variable);
    } else value = this.#pipeline(base, dot, scope);
    expression.fields.forEach((field, i) => {
      value = fieldOf(value, field, expression.text, MAPS.includes(expression.fields[i - 1] ?? ""));
      if (typeof value === "function" && !(isCalled && i === expression.fields.length - 1)) value = value();
      if (value === null) value = nothing(field);
    });
    return value;
  }
}

function findScope(scope: Scope, name: string): Scope | undefined {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.variables.has(name)) return at;
  return undefined;
}

/** Fields of docker's types whose values are maps: what is not in them is nothing, not a mistake. */
const MAPS = "Annotations Attributes Data DriverOpts ExposedPorts Labels Networks Options Ports StorageOpt Sysctls Tmpfs Volumes".split(" ");

/** Those of pointers, of which there may be none. */
const POINTERS = "Health Healthcheck IPAMConfig Init MemorySwappiness PidsLimit StopTimeout".split(" ");

/** Those that JSON leaves out where there is nothing in them. */
const OMITTED = "Annotations ExposedPorts Healthcheck Init Mounts Shell StopSignal StopTimeout StorageOpt Sysctls Tmpfs".split(" ");

// Go knows by its type what a null is: an empty list, an empty map, or a pointer to nothing. Its JSON is null all the same.
function nothing(field: string): unknown {
  if (POINTERS.includes(field)) return null;
  if (field === "StopSignal") return "";
  return Object.defineProperty(MAPS.includes(field) ? {} : [], "toJSON", { value: () => null, enumerable: false });
}

function fieldOf(value: unknown, field: string, where: string, isMap: boolean): unknown {
  if (isMap && (value === null || value === undefined)) return undefined;
  if (value === null || value === undefined) return failAt(where, `nil data; no entry for key ${JSON.stringify(field)}`);
  if (typeof value !== "object" || Array.isArray(value)) return failAt(where, `can't evaluate field ${field} in type ${goType(value)}`);
  if (!Object.hasOwn(value, field) && isMap) return undefined;
  if (!Object.hasOwn(value, field) && OMITTED.includes(field)) return null;
  if (!Object.hasOwn(value, field)) return failAt(where, `map has no entry for key ${JSON.stringify(field)}`);
  return (value as Record<string, unknown>)[field];
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return "[]interface {}";
  return { string: "string", number: "int", boolean: "bool" }[typeof value as string] ?? "map[string]interface {}";
}

/** A value as Go's fmt prints it with %v. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(formatValue).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([k, v]) => `${k}:${formatValue(v)}`).join(" ")}]`;
}

function callFunction(name: string, args: unknown[], where: string): unknown {
  const implementation = FUNCTIONS[name];
  if (!implementation) throw new TemplateError(`template parsing error: template: :1: function ${JSON.stringify(name)} not defined`);
  return implementation(args, where);
}

function compare(a: unknown, b: unknown, where: string): number {
  if (typeof a !== typeof b) return failAt(where, "incompatible types for comparison");
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

const text = (value: unknown) => (typeof value === "string" ? value : formatValue(value));

function indexOf([value, ...keys]: unknown[], where: string): unknown {
  let at = value;
  for (const key of keys) {
    if (at === null || at === undefined) return failAt(where, "index of untyped nil");
    if (Array.isArray(at) || typeof at === "string") {
      if (typeof key !== "number" || key < 0 || key >= at.length)
        return failAt(where, `error calling index: index out of range: ${formatValue(key)}`);
      at = typeof at === "string" ? at.charCodeAt(key) : at[key];
    } else if (typeof at === "object") at = Object.hasOwn(at, String(key)) ? (at as Record<string, unknown>)[String(key)] : "";
    else return failAt(where, `error calling index: can't index item of type ${goType(at)}`);
  }
  return at;
}

/** Go's verbs as far as templates use them: %s %v %d %q %t %x %f %c %%, with width, precision, `-` and `0`. */
function sprintf(format: string, args: unknown[]): string {
  let next = 0;
  const result = format.replace(
    /%([-+0 #]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const value = args[next++];
      let out: string;
      if (verb === "q") out = JSON.stringify(text(value));
      else if (verb === "x") out = typeof value === "number" ? value.toString(16) : Buffer.from(text(value)).toString("hex");
      else if (verb === "f") out = Number(value).toFixed(precision === undefined ? 6 : Number(precision));
      else if (verb === "c") out = String.fromCodePoint(Number(value));
      else if ("svdt".includes(verb)) {
        if (verb === "d" && typeof value !== "number") return `%!d(${goType(value)}=${formatValue(value)})`;
        out = text(value);
        if (verb === "s" && precision !== undefined) out = out.slice(0, Number(precision));
      } else return `%!${verb}(${goType(value)}=${formatValue(value)})`;
      const size = Number(width ?? 0);
      return flags.includes("-") ? out.padEnd(size) : out.padStart(size, flags.includes("0") && verb !== "s" ? "0" : " ");
    },
  );
  return (
    result +
    args
      .slice(next)
      .map((v) => `%!(EXTRA ${goType(v)}=${formatValue(v)})`)
      .join("")
  );
}

const HTML: Record<string, string> = { "\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const FUNCTIONS: Record<string, (args: unknown[], where: string) => unknown> = {
  not: ([value]) => !isTrue(value),
  len: ([value], where) => {
    if (typeof value === "string") return Buffer.byteLength(value);
    if (Array.isArray(value)) return value.length;
    if (value !== null && typeof value === "object") return Object.keys(value).length;
    return failAt(where, `error calling len: len of type ${goType(value)}`);
  },
  index: indexOf,
  slice: ([value, from, to]) => (value as string | unknown[]).slice(Number(from ?? 0), to === undefined ? undefined : Number(to)),
  // A space only between those that are no texts, see fmt.Sprint.
  print: (args) => args.map((arg, i) => (i > 0 && typeof arg !== "string" && typeof args[i - 1] !== "string" ? " " : "") + text(arg)).join(""),
  println: (args) => `${args.map(text).join(" ")}\n`,
  printf: ([format, ...args]) => sprintf(text(format), args),
  eq: ([first, ...others]) => others.some((other) => other === first),
  ne: ([a, b]) => a !== b,
  lt: ([a, b], where) => compare(a, b, where) < 0,
  le: ([a, b], where) => compare(a, b, where) <= 0,
  gt: ([a, b], where) => compare(a, b, where) > 0,
  ge: ([a, b], where) => compare(a, b, where) >= 0,
  html: (args) =>
    args
      .map(text)
      .join("")
      .replace(/[\0"'&<>]/g, (c) => HTML[c] as string),
  js: (args) =>
    args
      .map(text)
      .join("")
      .replace(/[\\'"]/g, "\\$&")
      .replace(/[<>&=\p{Cc}]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`),
  urlquery: (args) =>
    encodeURIComponent(args.map(text).join(""))
      .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll("%20", "+"),
  json: ([value]) => toJson(value ?? null),
  split: ([value, separator]) => text(value).split(text(separator)),
  join: ([list, separator]) => ((list ?? []) as unknown[]).map(text).join(text(separator)),
  upper: ([value]) => text(value).toUpperCase(),
  lower: ([value]) => text(value).toLowerCase(),
  title: ([value]) => text(value).replace(/(^|[^\p{L}\p{N}_'])\p{L}/gu, (m) => m.toUpperCase()),
  pad: ([value, before, after]) => (text(value) === "" ? "" : " ".repeat(Number(before)) + text(value) + " ".repeat(Number(after))),
  truncate: ([value, length]) => text(value).slice(0, Number(length)),
};
