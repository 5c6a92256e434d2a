import { PayloadError } from "./errors.js";

/**
 * A JSON object of `file`, whose fields are read by name and held to their type. What is missing or of another type is a
 * {@link PayloadError} that names the field's place.
 */
export class Fields {
  /**
   * @param {unknown} value
   * @param {string} file
   * @param {string} place
   */
  constructor(value, file, place = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(file, place || "the document", "an object");
    this.content = /** @type {Record<string, unknown>} */ (value);
    this.file = file;
    this.place = place;
  }

  /**
   * @param {string} text
   * @param {string} file
   * @returns {Fields}
   */
  static parse(text, file) {
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new PayloadError(`${file} cannot be read, since it is no JSON document: bundle the model again`, { cause: error });
    }
    return new Fields(value, file);
  }

  /** @returns {string[]} the names of the fields */
  names() {
    return Object.keys(this.content);
  }

  /** @param {string} name */
  at(name) {
    return this.place ? `${this.place}.${name}` : name;
  }

  /** @param {string} name */
  has(name) {
    return Object.hasOwn(this.content, name) && this.content[name] !== null;
  }

  /**
   * @param {string} name
   * @param {string} what
   * @returns {PayloadError}
   */
  wrong(name, what) {
    return wrong(this.file, this.at(name), what);
  }

  /** @param {string} name */
  value(name) {
    return Object.hasOwn(this.content, name) ? this.content[name] : undefined;
  }

  /** @param {string} name @returns {string} */
  text(name) {
    const value = this.value(name);
    if (typeof value !== "string") throw this.wrong(name, "text");
    return value;
  }

  /** @param {string} name @returns {boolean} */
  truth(name) {
    const value = this.value(name);
    if (typeof value !== "boolean") throw this.wrong(name, "true or false");
    return value;
  }

  /** @param {string} name @returns {number} */
  number(name) {
    const value = this.value(name);
    if (typeof value !== "number") throw this.wrong(name, "a number");
    return value;
  }

  /** @param {string} name @returns {number} */
  whole(name) {
    const value = this.value(name);
    if (!Number.isSafeInteger(value)) throw this.wrong(name, "a whole number");
    return /** @type {number} */ (value);
  }

  /** @param {string} name @returns {unknown[]} */
  list(name) {
    const value = this.value(name);
    if (!Array.isArray(value)) throw this.wrong(name, "a list");
    return value;
  }

  /** @param {string} name @returns {number[]} */
  numbers(name) {
    const values = this.list(name);
    if (!values.every((value) => typeof value === "number")) throw this.wrong(name, "a list of numbers");
    return /** @type {number[]} */ (values);
  }

  /** @param {string} name @returns {number[]} */
  wholes(name) {
    const values = this.list(name);
    if (!values.every(Number.isSafeInteger)) throw this.wrong(name, "a list of whole numbers");
    return /** @type {number[]} */ (values);
  }

  /** @param {string} name @returns {Fields} */
  object(name) {
    return new Fields(this.value(name), this.file, this.at(name));
  }

  /** @param {string} name @returns {Fields | null} null where there is none */
  optional(name) {
    return this.has(name) ? this.object(name) : null;
  }

  /** @param {string} name @returns {Fields[]} */
  objects(name) {
    return this.list(name).map((value, place) => new Fields(value, this.file, `${this.at(name)}[${place}]`));
  }

  /** @param {string} name @returns {Fields} the first object of a list */
  first(name) {
    const [found] = this.objects(name);
    if (found === undefined) throw this.wrong(name, "a list of one object at least");
    return found;
  }
}

/**
 * @param {string} file
 * @param {string} place
 * @param {string} what
 */
function wrong(file, place, what) {
  return new PayloadError(`${file} cannot be read, since ${place.slice(0, 80)} is not ${what}: bundle the model again`);
}
