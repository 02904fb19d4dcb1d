// For each line WHAT on stdin: what an operation on memory that worker threads share costs in Node, in nanoseconds. Node has
// SharedArrayBuffer and Atomics; locks and events are made of these in the usual way. Where two take part, the other one is
// a worker thread, and what this thread measures is said.
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

const MANY = 2_000_000;
const SOME = 5_000;
const FEW = 200;

// Words of the shared memory, each in a cache line of its own.
const START = 0;
const LOCK = 16;
const NUMBER = 32;
const THERE = 48;
const BACK = 64;

const FREE = 0;
const HELD = 1;
const WAITED_FOR = 2;

function acquire(words) {
  let seen = Atomics.compareExchange(words, LOCK, FREE, HELD);
  while (seen !== FREE) {
    if (seen === WAITED_FOR || Atomics.compareExchange(words, LOCK, HELD, WAITED_FOR) !== FREE) {
      Atomics.wait(words, LOCK, WAITED_FOR);
    }
    seen = Atomics.compareExchange(words, LOCK, FREE, WAITED_FOR);
  }
}

function release(words) {
  if (Atomics.exchange(words, LOCK, FREE) === WAITED_FOR) Atomics.notify(words, LOCK, 1);
}

function set(words, event) {
  Atomics.store(words, event, 1);
  Atomics.notify(words, event);
}

function await_and_clear(words, event) {
  while (Atomics.load(words, event) === 0) Atomics.wait(words, event, 0);
  Atomics.store(words, event, 0);
}

// Both are there.
function meet(words) {
  if (Atomics.add(words, START, 1) === 1) Atomics.notify(words, START);
  else while (Atomics.load(words, START) < 2) Atomics.wait(words, START, 1);
}

function each(count, operation) {
  const before = process.hrtime.bigint();
  for (let left = count; left > 0; left--) operation();
  return Number(process.hrtime.bigint() - before) / count;
}

function locked(words) {
  acquire(words);
  release(words);
}

function increment(words) {
  acquire(words);
  words[NUMBER] += 1;
  release(words);
}

// What the worker thread does, for each that two take part in.
const THERE_DOES = {
  contend: words => each(MANY / 4, () => locked(words)),
  event: words =>
    each(SOME, () => {
      await_and_clear(words, THERE);
      set(words, BACK);
    }),
};

const MEASURES = {
  lock: words => each(MANY, () => locked(words)),
  'value-locked': words => each(MANY, () => increment(words)),
  'value-add': words => each(MANY, () => Atomics.add(words, NUMBER, 1)),
  contend: THERE_DOES.contend,
  event: words =>
    each(SOME, () => {
      set(words, THERE);
      await_and_clear(words, BACK);
    }),
  array() {
    const numbers = new Float32Array(new SharedArrayBuffer(4_000_000));
    const source = new Float32Array(1_000_000).fill(1);
    return each(FEW, () => numbers.set(source));
  },
};

if (!isMainThread) {
  parentPort.on('message', ({ what, words }) => {
    meet(words);
    THERE_DOES[what](words);
    parentPort.postMessage('done');
  });
} else {
  const other = new Worker(__filename);
  const done = () => new Promise(resolve => other.once('message', resolve));
  const measure = async what => {
    const words = new Int32Array(new SharedArrayBuffer(512));
    if (!MEASURES[what]) return 0;
    if (!THERE_DOES[what]) return MEASURES[what](words);
    const ended = done();
    other.postMessage({ what, words });
    meet(words);
    const measured = MEASURES[what](words);
    await ended;
    return measured;
  };
  require('node:readline')
    .createInterface({ input: process.stdin })
    .on('line', async line => console.log(await measure(line)))
    .on('close', () => other.terminate());
}
