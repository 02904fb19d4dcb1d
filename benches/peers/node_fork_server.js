// node node_fork_server.js HOST PORT: a process for each connection, by fork, which gets the socket, answers and ends.
const { fork } = require('node:child_process');
if (process.argv[2] === 'answer') {
  const server = require('node:http').createServer((_, response) => response.end('hello\n'));
  process.on('message', (_, socket) => {
    socket.on('close', () => process.exit());
    server.emit('connection', socket);
    socket.resume();
  });
} else {
  const [host, port] = process.argv.slice(2);
  const listener = require('node:net').createServer({ pauseOnConnect: true }, (socket) => {
    fork(__filename, ['answer']).send('socket', socket);
  });
  listener.listen(Number(port), host);
}
