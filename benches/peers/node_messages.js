// For each line KIND COUNT BYTES on stdin: so many messages of so many bytes by Node's IPC, to and from a forked child;
// says how many microseconds that took. KIND: echo (there and back, one after the other), sink (there, and one back at the
// end), flood (from the child). The argument is the serialization, `json` or `advanced`: what suits it best is sent, a
// string or a Buffer.
const { fork } = require('node:child_process');
const serialization = process.argv[2];
const body = bytes => (serialization === 'json' ? 'x'.repeat(bytes) : Buffer.alloc(bytes, 7));

if (process.argv[3] === 'child') {
  let sunk = null;
  process.on('message', message => {
    if (message.kind === undefined) {
      if (sunk === null) process.send(message);
      else if (--sunk.left === 0) process.send(sunk.bytes + message.length);
      else sunk.bytes += message.length;
    } else if (message.kind === 'flood') {
      const sent = body(message.bytes);
      for (let left = message.count; left > 0; left--) process.send(sent);
    } else {
      sunk = message.kind === 'sink' ? { left: message.count, bytes: 0 } : null;
    }
  });
} else {
  const child = fork(__filename, [serialization, 'child'], { serialization });
  const arrival = () => new Promise(resolve => child.once('message', resolve));
  const arrivals = count =>
    new Promise(resolve => {
      const take = () => {
        if (--count > 0) return;
        child.off('message', take);
        resolve();
      };
      child.on('message', take);
    });
  const kinds = {
    async echo(count, sent) {
      for (let left = count; left > 0; left--) {
        const back = arrival();
        child.send(sent);
        await back;
      }
    },
    async sink(count, sent) {
      const answer = arrival();
      for (let left = count; left > 0; left--) child.send(sent);
      await answer;
    },
    async flood(count) {
      await arrivals(count);
    },
  };
  const traffic = async (kind, count, bytes) => {
    const sent = body(bytes);
    const before = process.hrtime.bigint();
    child.send({ kind, count, bytes });
    await kinds[kind](count, sent);
    return Number(process.hrtime.bigint() - before) / 1000;
  };
  require('node:readline')
    .createInterface({ input: process.stdin })
    .on('line', async line => {
      const [kind, count, bytes] = line.split(' ');
      console.log(kind ? await traffic(kind, Number(count), Number(bytes)) : 0);
    })
    .on('close', () => child.disconnect());
}
