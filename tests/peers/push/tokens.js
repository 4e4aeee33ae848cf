// What gives tokens for push and looks at them: the token endpoints of two vendors, and the keys that a third and they know, with
// Node's own signatures.
//
//   account       makes a service account and gives its key file; another one ends the one before
//   provider      makes a provider's key and gives it
//   strict        takes messages with a token that is good alone
//   expire        no token that was given so far is good any more
//   token HOW     what happens to the next token that is asked for: throttle, broken, mute, drop, garbage, brief, empty, refuse
'use strict';

const crypto = require('crypto');

const state = { given: 0, asked: 0, most: 0, refused: [] };
const faults = [];
let good = new Set();
let strict = false;
let account = null;
let provider = null;
let oldest = 0;
let under = 0;

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
const now = () => Math.floor(Date.now() / 1000);

// Whether it is a token in compact form that this key signed.
function signed(jwt, algorithm, key) {
  const [head, claims, signature, ...more] = (jwt || '').split('.');
  if (!signature || more.length || !key || decode(head).alg !== algorithm) return null;
  const how = algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : { key, padding: crypto.constants.RSA_PKCS1_PADDING };
  const fine = crypto.verify('sha256', Buffer.from(`${head}.${claims}`), how, Buffer.from(signature, 'base64url'));
  return fine ? { head: decode(head), claims: decode(claims) } : null;
}

// What a grant is worth: the reason for a no, or nothing.
function fault(form) {
  if (form.get('grant_type') === 'client_credentials') {
    const known = form.get('client_id') === 'cn.bankhub.app' && form.get('client_secret') === 's&cret=1/+ %';
    return known ? '' : 'invalid_client';
  }
  if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') return 'unsupported_grant_type';
  const jwt = signed(form.get('assertion'), 'RS256', account && account.key);
  if (!jwt || jwt.head.kid !== account.id || jwt.claims.iss !== account.email) return 'invalid_grant';
  const { iat, exp, aud, scope } = jwt.claims;
  const fine = aud === account.uri && scope.endsWith('/auth/firebase.messaging') && exp === iat + 3600 && Math.abs(iat - now()) < 7200;
  return fine ? '' : 'invalid_grant';
}

function give(request, response, text) {
  state.asked += 1;
  under += 1;
  state.most = Math.max(state.most, under);
  const say = (status, body, headers = {}) => {
    // Two that ask at the same time are seen to.
    setTimeout(() => {
      under -= 1;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body);
    }, 20);
  };
  const how = faults.shift() || '';
  if (how === 'throttle') return say(429, '{}', { 'retry-after': '7' });
  if (how === 'broken') return say(500, '<html>');
  if (how === 'mute') return undefined;
  if (how === 'drop') return request.stream.session.destroy();
  if (how === 'garbage') return say(200, '{"access_token":"a\\r\\nb","expires_in":3600}');
  if (how === 'empty') return say(200, '{"access_token":"abc","expires_in":0}');
  const wrong = how === 'refuse' ? 'invalid_grant' : fault(new URLSearchParams(text));
  if (wrong) {
    state.refused.push(wrong);
    return say(400, JSON.stringify({ error: wrong, error_description: text }));
  }
  state.given += 1;
  const token = `token-${state.given}`;
  good.add(token);
  const expires = how === 'brief' ? 100 : 3600;
  return say(200, JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: expires }));
}

// Whether a message comes without a token that is good.
function refuses(vendor, authorization) {
  if (!strict) return false;
  const token = (authorization || '').replace('Bearer ', '');
  if (vendor !== 'apns') return !good.has(token);
  const jwt = signed(token, 'ES256', provider && provider.key);
  return !jwt || jwt.head.kid !== 'KEY1234567' || jwt.claims.iss !== 'TEAM123456' || jwt.claims.iat < oldest;
}

const refusals = {
  fcm: [401, '{"error":{"status":"UNAUTHENTICATED"}}'],
  apns: [403, '{"reason":"ExpiredProviderToken"}'],
  hms: [200, '{"code":"80200003","msg":"OAuth token expired"}'],
};

const commands = {
  account: (_, port) => {
    const pair = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const id = crypto.randomBytes(20).toString('hex');
    account = { key: pair.publicKey, id, email: 'hub@app.iam.example', uri: `https://localhost:${port}/token` };
    return JSON.stringify({
      type: 'service_account',
      private_key_id: id,
      private_key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: account.email,
      token_uri: account.uri,
    });
  },
  provider: () => {
    const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    provider = { key: pair.publicKey };
    return JSON.stringify(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  },
  strict: () => { strict = true; },
  expire: () => {
    good = new Set();
    oldest = now() + 1;
  },
  token: (how) => { faults.push(how); },
};

const isEndpoint = (path) => path === '/token' || path === '/oauth2/v3/token';

module.exports = { commands, give, isEndpoint, refusals, refuses, state };
