// word-handler in JavaScript (`./just js-guest` builds and runs it): counts the words of a text.
//
// The module is loaded when the component is built, and each instance starts with what it left in memory. Nothing can be
// asked of Sandhog at that time: calls belong into `handle`.

import { log } from "sandhog:job/process@0.1.0";

let tasks = 0;

export function handle(task) {
  tasks += 1;
  const words = text(task).split(/\s+/u).filter(Boolean);
  // The handler's own error is the string that is thrown: it goes on, and takes the next task.
  if (words.length === 0) throw "there is no word in it";
  log("debug", "counted", [["task", String(tasks)]]);
  // Of several that are as long the last one, as in the twin.
  const longest = words.reduce((best, word) => ([...word].length >= [...best].length ? word : best));
  return { format: "value", body: pack({ words: words.length, longest, tasks }) };
}

// The text of a task, which is one MessagePack string. Anything else thrown would be the end of this handler, and of the
// tasks that wait for it.
function text({ format, body }) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const heads = { 0xd9: [2, () => view.getUint8(1)], 0xda: [3, () => view.getUint16(1)], 0xdb: [5, () => view.getUint32(1)] };
  const first = body[0] ?? 0;
  const short = first >> 5 === 0b101;
  const [start, length] = short ? [1, () => first & 31] : (heads[first] ?? [body.length + 1, () => 0]);
  if (format !== "value" || body.length < start || body.length !== start + length()) throw "the task is no text";
  return new TextDecoder().decode(body.subarray(start));
}

// MessagePack of an object of short strings and of numbers below 2³².
function pack(object) {
  const bytes = [0x80 | Object.keys(object).length];
  for (const [name, value] of Object.entries(object)) {
    bytes.push(...string(name), ...(typeof value === "string" ? string(value) : [0xce, ...big(value)]));
  }
  return new Uint8Array(bytes);
}

function string(value) {
  const bytes = new TextEncoder().encode(value);
  return [0xdb, ...big(bytes.length), ...bytes];
}

// A number in four bytes, the highest first.
function big(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
