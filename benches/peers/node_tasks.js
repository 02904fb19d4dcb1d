// For each line COUNT on stdin: so many tasks, one after the other, in a forked child; says how many microseconds they
// took. The argument says whether it is a `fresh` child for each task.
const { fork } = require('node:child_process');

if (process.argv[3] === 'child') {
  process.on('message', name => process.send(`Hello, ${name}!`));
} else {
  const start = () => fork(__filename, [process.argv[2], 'child'], { serialization: 'advanced' });
  const call = child =>
    new Promise(resolve => {
      child.once('message', resolve);
      child.send('Ada');
    });
  const fresh = process.argv[2] === 'fresh';
  const kept = fresh ? null : start();
  const task = async () => {
    const child = kept ?? start();
    await call(child);
    if (fresh) child.disconnect();
  };
  require('node:readline')
    .createInterface({ input: process.stdin })
    .on('line', async line => {
      const before = process.hrtime.bigint();
      for (let left = Number(line) || 1; left > 0; left--) await task();
      console.log(Number(process.hrtime.bigint() - before) / 1000);
    })
    .on('close', () => kept?.disconnect());
}
