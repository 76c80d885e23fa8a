/** An environment, of which most processes ask for little: to make a property of each variable takes seven microseconds. */

type Target = Record<string, string>;

/** Behind `process.env`. The Proxy's target has what was set since. */
export class Variables implements ProxyHandler<Target> {
  /** `NAME=VALUE` between zeros. */
  #text: string;

  /** @param text as /proc/PID/environ has it (proc_pid_environ(5)) */
  constructor(text: string) {
    this.#text = `\0${text}`;
  }

  /** @param pattern global: a zero, the name and `=` */
  names(pattern: RegExp): string[] {
    const names: string[] = [];
    for (let found = pattern.exec(this.#text); found; found = pattern.exec(this.#text)) names.push(found[0].slice(1, -1));
    return names;
  }

  find(name: string): string | undefined {
    const start = this.#text.lastIndexOf(`\0${name}=`);
    if (start < 0) return undefined;
    const from = start + name.length + 2;
    return this.#text.slice(from, this.#text.indexOf("\0", from));
  }

  get(target: Target, name: string | symbol): string | undefined {
    return typeof name === "symbol" || Object.hasOwn(target, name) ? target[name as string] : this.find(name);
  }

  has(target: Target, name: string | symbol): boolean {
    return this.get(target, name) !== undefined;
  }

  deleteProperty(target: Target, name: string | symbol): boolean {
    if (typeof name === "string" && this.find(name) !== undefined) this.#fill(target);
    return Reflect.deleteProperty(target, name);
  }

  ownKeys(target: Target): string[] {
    this.#fill(target);
    return Object.keys(target);
  }

  getOwnPropertyDescriptor(target: Target, name: string | symbol): PropertyDescriptor | undefined {
    this.#fill(target);
    return Reflect.getOwnPropertyDescriptor(target, name);
  }

  // With all of them, where all are wanted.
  #fill(target: Target): void {
    const changed = { ...target };
    for (const variable of this.#text.split("\0")) {
      const at = variable.indexOf("=");
      if (at > 0) target[variable.slice(0, at)] = variable.slice(at + 1);
    }
    Object.assign(target, changed);
    this.#text = "";
  }
}
