// For each line COUNT on stdin: so many tiny tasks mapped over two worker_threads, from the start of the threads to the last
// answer; says how many microseconds that took. The argument is how many tasks a message holds.
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

if (!isMainThread) {
  parentPort.on('message', ({ at, names }) => parentPort.postMessage({ at, answers: names.map(name => `Hello, ${name}!`) }));
} else {
  const size = Number(process.argv[2]);
  const mapped = names =>
    new Promise(resolve => {
      const answers = new Array(names.length);
      let next = 0;
      let left = names.length;
      const workers = [new Worker(__filename), new Worker(__filename)];
      const give = worker => {
        if (next >= names.length) return;
        worker.postMessage({ at: next, names: names.slice(next, next + size) });
        next += size;
      };
      const take = (worker, { at, answers: some }) => {
        some.forEach((answer, index) => (answers[at + index] = answer));
        left -= some.length;
        if (left > 0) return give(worker);
        Promise.all(workers.map(worker => worker.terminate())).then(() => resolve(answers));
      };
      for (const worker of workers) {
        worker.on('message', message => take(worker, message));
        give(worker);
      }
    });
  require('node:readline')
    .createInterface({ input: process.stdin })
    .on('line', async line => {
      const names = Array.from({ length: Number(line) || 1 }, (_, number) => String(number));
      const before = process.hrtime.bigint();
      await mapped(names);
      console.log(Number(process.hrtime.bigint() - before) / 1000);
    });
}
