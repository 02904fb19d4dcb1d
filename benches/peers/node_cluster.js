// node node_cluster.js HOST PORT: two workers of Node's cluster that say hello and send back what they are sent.
const cluster = require('node:cluster');
const [host, port] = process.argv.slice(2);
if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  process.on('SIGTERM', () => process.exit());
} else {
  require('node:http')
    .createServer((request, response) => {
      if (request.method === 'POST') {
        response.setHeader('content-length', request.headers['content-length']);
        request.pipe(response);
      } else {
        response.setHeader('content-length', 6);
        response.end('hello\n');
      }
    })
    .listen(Number(port), host);
}
