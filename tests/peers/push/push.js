// The push services of three vendors in one, on Node's own HTTP.
//
// It tells its port on the first line, then answers each line of its input with one line: `ok`, or a state as JSON.
//   fault HOW   what happens to the next message: gone, invalid, auth, busy, broken, drop-before, drop-after, mute, huge
//   strict      messages are taken with a token that was given, and is good, alone
//   state, and what tokens.js does
'use strict';

const fs = require('fs');
const http2 = require('http2');
const https = require('https');
const readline = require('readline');
const tokens = require('./tokens');

const [, , certificate, key, protocol] = process.argv;
const tls = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
const faults = [];
const state = { messages: [], connections: 0 };

const sayings = {
  fcm: { gone: [404, '{"error":{"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}'], invalid: [400, '{"error":{}}'] },
  apns: { gone: [410, '{"reason":"Unregistered"}'], invalid: [400, '{"reason":"BadTopic"}'] },
  hms: { gone: [200, '{"code":"80300007","msg":"all tokens are invalid"}'], invalid: [200, '{"code":"80100003","msg":"bad"}'] },
};
const fine = { fcm: '{"name":"projects/p/messages/1"}', apns: '', hms: '{"code":"80000000","msg":"Success"}' };

function vendor(path) {
  if (path.startsWith('/3/device/')) return 'apns';
  return path.startsWith('/v1/') ? 'fcm' : 'hms';
}

function handle(request, response, text) {
  if (tokens.isEndpoint(request.url)) return tokens.give(request, response, text);
  const whose = vendor(request.url);
  const fault = faults.shift() || '';
  const cut = () => (request.stream ? request.stream.session.destroy() : request.socket.destroy());
  const say = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
  if (fault === 'drop-before') return cut();
  if (fault in sayings[whose]) return say(...sayings[whose][fault]);
  if (fault === 'auth') return say(401, '{}');
  if (fault === 'busy') return say(429, '{}', { 'retry-after': '7' });
  if (fault === 'broken') return say(503, '<html>');
  if (tokens.refuses(whose, request.headers.authorization)) return say(...tokens.refusals[whose]);
  state.messages.push({
    vendor: whose,
    version: request.httpVersion,
    method: request.method,
    path: request.url,
    authorization: request.headers.authorization,
    id: request.headers['apns-id'],
    topic: request.headers['apns-topic'],
    body: JSON.parse(text),
  });
  if (fault === 'drop-after') return cut();
  if (fault === 'mute') return undefined;
  if (fault === 'huge') return say(200, 'x'.repeat(1 << 20));
  return say(200, fine[whose]);
}

function take(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('error', () => {});
  request.on('end', () => handle(request, response, Buffer.concat(chunks).toString()));
}

const server = protocol === 'h2' ? http2.createSecureServer(tls, take) : https.createServer(tls, take);
server.on('secureConnection', () => { state.connections += 1; });
server.on('sessionError', () => {});
server.listen(0, '127.0.0.1', () => {
  console.log(String(server.address().port));
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, how] = line.split(' ');
  if (name === 'state') {
    console.log(JSON.stringify({ ...state, tokens: tokens.state }));
  } else if (name === 'fault') {
    faults.push(how);
    console.log('ok');
  } else if (name in tokens.commands) {
    console.log(tokens.commands[name](how, server.address().port) || 'ok');
  } else {
    console.log('unknown');
  }
}).on('close', () => process.exit(0));
