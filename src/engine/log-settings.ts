/** `--log-driver` and `--log-opt`: what they may say, and what a monitor makes of it. Docker's names, rules and words. */
import { hostname } from "../../ffi/host.ts";
import type { LogRequest } from "../monitor/log/container-log.ts";
import type { DatagramLogSettings } from "../monitor/log/datagram-log.ts";
import type { LogFileSettings } from "../monitor/log/log-file.ts";
import type { LogDriver, LogSettings } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";

const FILE_OPTIONS = ["max-size", "max-file", "compress"];
const ATTRIBUTES = ["labels", "labels-regex", "env", "env-regex", "tag"];
const CACHE = ["cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];
const BUFFER = ["mode", "max-buffer-size"];

const OPTIONS: Record<LogDriver, string[]> = {
  "json-file": [...FILE_OPTIONS, ...ATTRIBUTES],
  local: FILE_OPTIONS,
  "k8s-file": FILE_OPTIONS,
  none: [],
  journald: [...ATTRIBUTES, ...CACHE],
  syslog: [...ATTRIBUTES, ...CACHE, "syslog-address", "syslog-facility", "syslog-format"],
};

export const LOG_DRIVERS: readonly string[] = Object.keys(OPTIONS);

/** How docker's `local` keeps a log, and the copy beside services that cannot be read. */
const LOCAL = { maxSize: 20 << 20, maxFiles: 5, compress: true };
const MAX_BUFFER = 1 << 20;

/** syslog(3). */
const FACILITIES = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp".split(" ");
const LOCAL_FACILITY = 16; // local0
const TAG_FIELD = /\{\{\s*\.(\w+)\s*\}\}/g;
const TAG_FIELDS = ["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName"];

/** Checks what a container is to be made with. Throws {@link EngineError} in docker's words. */
export function logSettings(driver: string | undefined, options: Record<string, string>): LogSettings | undefined {
  if (driver === undefined && Object.keys(options).length === 0) return undefined;
  const name = driver ?? "json-file";
  if (!(name in OPTIONS)) {
    throw new EngineError(`error looking up logging plugin ${name}: plugin "${name}" not found: expected one of ${Object.keys(OPTIONS).join(", ")}`);
  }
  const settings: LogSettings = { driver: name as LogDriver, options };
  if (name === "none" && Object.keys(options).length > 0) throw new EngineError("invalid logging opts for driver none");
  for (const key of Object.keys(options)) {
    if (![...OPTIONS[settings.driver], ...BUFFER].includes(key)) throw new EngineError(`unknown log opt '${key}' for ${name} log driver`);
  }
  bufferOf(options);
  fileOf(settings, "");
  if (name === "syslog") syslogOf(options, "");
  for (const [text, field = ""] of (options.tag ?? "").matchAll(TAG_FIELD)) {
    if (!TAG_FIELDS.includes(field))
      throw new EngineError(`log-opt tag: ${text} is none of ${TAG_FIELDS.map((known) => `{{.${known}}}`).join(", ")}`);
  }
  return settings;
}

/** What a container's monitor does with its output. */
export function logRequest(engine: Engine, record: ContainerRecord): LogRequest {
  const settings = record.config.log ?? { driver: "json-file", options: {} };
  const { driver, options } = settings;
  const buffer = bufferOf(options);
  const file = fileOf(settings, engine.layout.containerLog(record.id, driver));
  const attributes = attributesOf(options, record);
  const tag = options.tag === undefined && !isService(driver) ? undefined : tagOf(record, options.tag ?? "{{.ID}}");
  return {
    ...(file && {
      file: {
        ...file,
        ...(buffer !== undefined && { buffer }),
        ...(driver === "json-file" && { attributes: sorted({ ...attributes, ...(tag !== undefined && { tag }) }) }),
      },
    }),
    ...(isService(driver) && { datagrams: serviceOf(record, { attributes, tag: tag ?? "" }) }),
  };
}

/** Whether there is something to read of a driver's log. */
export const isReadable = ({ driver, options }: LogSettings): boolean =>
  driver !== "none" && !(isService(driver) && options["cache-disabled"] === "true");

const isService = (driver: LogDriver): driver is "journald" | "syslog" => driver === "journald" || driver === "syslog";

const sorted = (attributes: Record<string, string>) => Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));

function fileOf(settings: LogSettings, path: string): LogFileSettings | undefined {
  if (!isReadable(settings)) return undefined;
  const { driver, options } = settings;
  const prefix = isService(driver) ? "cache-" : "";
  const defaults = driver === "json-file" || driver === "k8s-file" ? { maxFiles: 1, compress: false } : LOCAL;
  const size = options[`${prefix}max-size`];
  const file: LogFileSettings = { path, format: driver === "json-file" ? "json" : "cri", ...defaults };
  if (size !== undefined && size !== "-1") file.maxSize = parseSize(size);
  else if (size === "-1") throw new EngineError("invalid size: '-1'");
  const count = options[`${prefix}max-file`];
  if (count !== undefined) {
    if (!/^\d+$/.test(count) || Number(count) < 1) throw new EngineError(`max-file cannot be less than 1: ${count}`);
    file.maxFiles = Number(count);
  }
  const compress = options[`${prefix}compress`];
  if (compress !== undefined) file.compress = parseBoolean(compress);
  if (file.compress && (file.maxFiles < 2 || file.maxSize === undefined)) {
    if (compress !== undefined) throw new EngineError("compress cannot be true when max-file is less than 2 or max-size is not set");
    file.compress = false;
  }
  if (file.maxFiles > 1 && file.maxSize === undefined && count !== undefined) file.maxFiles = 1; // never full: as docker takes it
  return file;
}

function bufferOf(options: Record<string, string>): number | undefined {
  const { mode = "blocking" } = options;
  if (mode !== "blocking" && mode !== "non-blocking") throw new EngineError(`logger: logging mode not supported: ${mode}`);
  const size = options["max-buffer-size"];
  if (mode === "blocking") {
    if (size !== undefined) throw new EngineError("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    return undefined;
  }
  if (size === undefined) return MAX_BUFFER;
  try {
    return parseSize(size);
  } catch (error) {
    throw new EngineError(`error parsing option max-buffer-size: ${(error as Error).message}`);
  }
}

// docker/go-units, RAMInBytes.
function parseSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text) ?? [];
  if (number === "") throw new EngineError(`invalid size: '${text}'`);
  const size = Math.floor(Number(number) * 1024 ** " kmgtp".indexOf(unit.toLowerCase() || " "));
  if (size <= 0) throw new EngineError("max-size must be a positive number");
  return size;
}

function parseBoolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new EngineError(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax: expected true or false`);
}

function attributesOf(options: Record<string, string>, { config }: ContainerRecord): Record<string, string> {
  const env = Object.fromEntries(config.env.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
  const pick = (from: Record<string, string>, names: string | undefined, pattern: string | undefined) => {
    const wanted = names?.split(",") ?? [];
    const matches = pattern === undefined ? () => false : (name: string) => new RegExp(pattern).test(name);
    return Object.fromEntries(Object.entries(from).filter(([name]) => wanted.includes(name) || matches(name)));
  };
  return { ...pick(config.labels, options.labels, options["labels-regex"]), ...pick(env, options.env, options["env-regex"]) };
}

function tagOf(record: ContainerRecord, template: string): string {
  const { id, name, imageId = "" } = record;
  const image = imageId.replace(/^sha256:/, "");
  const fields: Record<string, string> = {
    ID: id.slice(0, 12),
    FullID: id,
    Name: name,
    ImageID: image.slice(0, 12),
    ImageFullID: imageId,
    ImageName: record.config.image,
    DaemonName: "berth",
  };
  return template.replace(TAG_FIELD, (_, field: string) => fields[field] ?? "");
}

function serviceOf(record: ContainerRecord, { attributes, tag }: { attributes: Record<string, string>; tag: string }): DatagramLogSettings {
  const { driver, options } = record.config.log as LogSettings;
  if (driver === "syslog") return syslogOf(options, tag);
  const upper = Object.entries(attributes).map(([name, value]) => [
    name
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, "_")
      .replace(/^_+/, ""),
    value,
  ]);
  return {
    driver: "journald",
    fields: {
      ...Object.fromEntries(upper),
      CONTAINER_ID: record.id.slice(0, 12),
      CONTAINER_ID_FULL: record.id,
      CONTAINER_NAME: record.name,
      CONTAINER_TAG: tag,
      IMAGE_NAME: record.config.image,
      SYSLOG_IDENTIFIER: tag,
    },
  };
}

function syslogOf(options: Record<string, string>, tag: string): DatagramLogSettings {
  const format = options["syslog-format"] || "unix";
  if (format !== "unix" && format !== "rfc3164" && format !== "rfc5424" && format !== "rfc5424micro")
    throw new EngineError(`Invalid syslog format: ${format}: expected rfc3164, rfc5424 or rfc5424micro`);
  return {
    driver: "syslog",
    address: syslogAddress(options["syslog-address"] ?? "unixgram:///dev/log"),
    facility: facility(options["syslog-facility"]),
    format,
    tag,
    hostname: hostname(),
  };
}

function facility(text = "daemon"): number {
  const number = /^\d+$/.test(text) ? Number(text) : /^local[0-7]$/.test(text) ? LOCAL_FACILITY + Number(text.slice(5)) : FACILITIES.indexOf(text);
  if (number < 0 || number > 23) throw new EngineError(`invalid syslog facility: ${text}`);
  return number;
}

function syslogAddress(text: string): Extract<DatagramLogSettings, { driver: "syslog" }>["address"] {
  const [, protocol = "", rest = ""] = /^([a-z+]+):\/\/(.+)$/.exec(text) ?? [];
  if (protocol === "") throw new EngineError(`syslog-address should be in form proto://address, got ${text}`);
  if (protocol === "unix" || protocol === "unixgram") return { path: rest };
  if (protocol !== "udp") throw new EngineError(`syslog-address ${text}: berth sends datagrams, to unixgram:// or udp:// addresses`);
  const [, host = "", port = "514"] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(rest) ?? [];
  if (host === "") throw new EngineError(`syslog-address ${text}: expected udp://HOST[:PORT]`);
  return { hostname: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}
