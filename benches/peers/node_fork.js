// For each line on stdin: forks an empty script, waits for its end, says how many microseconds that took.
if (process.argv[2] === 'empty') process.exit(0);
const { fork } = require('node:child_process');
require('node:readline')
  .createInterface({ input: process.stdin })
  .on('line', () => {
    const before = process.hrtime.bigint();
    fork(__filename, ['empty'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }).on('exit', () =>
      console.log(Number(process.hrtime.bigint() - before) / 1000),
    );
  });
