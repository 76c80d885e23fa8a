/**
 * Methods of arrays, as bytecode. JavaScriptCore has its own as source, which each process compiles when it first calls them:
 * 50 to 200 us for each of them, 1 ms of a `run`'s command line. These do what those do, but for subclasses of Array, whose
 * methods give arrays.
 */

type Callback<T> = (value: unknown, index: number, array: ArrayLike<unknown>) => T;

/** A method is called on an array or whatever else has a length; holes are left out where they are of Array.prototype. */
const methods = {
  map(this: ArrayLike<unknown>, action: Callback<unknown>, self?: unknown): unknown[] {
    const { length } = this;
    const result = new Array<unknown>(length);
    for (let i = 0; i < length; i++) if (i in this) result[i] = action.call(self, this[i], i, this);
    return result;
  },
  filter(this: ArrayLike<unknown>, test: Callback<unknown>, self?: unknown): unknown[] {
    const { length } = this;
    const result: unknown[] = [];
    for (let i = 0; i < length; i++) {
      const value = this[i];
      if (i in this && test.call(self, value, i, this)) result.push(value);
    }
    return result;
  },
  some(this: ArrayLike<unknown>, test: Callback<unknown>, self?: unknown): boolean {
    const { length } = this;
    for (let i = 0; i < length; i++) if (i in this && test.call(self, this[i], i, this)) return true;
    return false;
  },
  every(this: ArrayLike<unknown>, test: Callback<unknown>, self?: unknown): boolean {
    const { length } = this;
    for (let i = 0; i < length; i++) if (i in this && !test.call(self, this[i], i, this)) return false;
    return true;
  },
  forEach(this: ArrayLike<unknown>, action: Callback<void>, self?: unknown): void {
    const { length } = this;
    for (let i = 0; i < length; i++) if (i in this) action.call(self, this[i], i, this);
  },
  find(this: ArrayLike<unknown>, test: Callback<unknown>, self?: unknown): unknown {
    const { length } = this;
    for (let i = 0; i < length; i++) {
      const value = this[i];
      if (test.call(self, value, i, this)) return value;
    }
    return undefined;
  },
  findLast(this: ArrayLike<unknown>, test: Callback<unknown>, self?: unknown): unknown {
    for (let i = this.length - 1; i >= 0; i--) {
      const value = this[i];
      if (test.call(self, value, i, this)) return value;
    }
    return undefined;
  },
  at(this: ArrayLike<unknown>, index: number): unknown {
    const place = Math.trunc(index) || 0;
    return this[place < 0 ? this.length + place : place];
  },
  flatMap(this: ArrayLike<unknown>, action: Callback<unknown>, self?: unknown): unknown[] {
    const { length } = this;
    const result: unknown[] = [];
    for (let i = 0; i < length; i++) {
      if (!(i in this)) continue;
      const value = action.call(self, this[i], i, this);
      if (!Array.isArray(value)) result.push(value);
      else for (let j = 0; j < value.length; j++) if (j in value) result.push(value[j]);
    }
    return result;
  },
};

Object.assign(Array.prototype, methods); // they stay what they were otherwise, not enumerable

export {};
