// An SMSC on npm `smpp`, and the phones behind it: somebody else's codec at the other end of the line.
//
// It tells its port on the first line, then answers each line of its input with one line: `ok`, or a state as JSON.
//   fault HOW        what happens to the next message: throttle, queue-full, refuse, system, drop-before, drop-after, mute, hold,
//                    twice, garbage, nack
//   release          answers what was held
//   receipt ID STAT  tells what became of a message
//   enquire          asks whether the other side is there
//   silent           answers no enquire_link from here on
//   unbind, cut      ends the connection
//   state
'use strict';

const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const [, , user, password, certificate, key] = process.argv;
const tls = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
const faults = [];
const held = [];
const phones = new Map();
const state = {
  binds: 0, refused: 0, enquiries: 0, answered: 0, unbinds: 0, submits: 0, most: 0, messages: [], texts: [], receipts: [],
};
let session = null;
let silent = false;
let out = 0;
let next = 0;

// A phone shows a text when it has all its parts, and a part that comes again once.
function arrive(pdu) {
  const header = pdu.short_message.udh ? pdu.short_message.udh[0] : null;
  const message = pdu.short_message.message;
  if (!header) {
    show(pdu, `${pdu.destination_addr}/${pdu.user_message_reference}`, message);
    return;
  }
  const [reference, count, number] = [header.readUInt16BE(2), header[4], header[5]];
  const key = `${pdu.destination_addr}/${reference}/${count}`;
  const parts = phones.get(key) || [];
  parts[number - 1] = message;
  phones.set(key, parts);
  if (Array.from({ length: count }, (_, i) => parts[i]).every((part) => part !== undefined)) {
    show(pdu, key, parts.join(''));
  }
}

const shown = new Set();
function show(pdu, key, text) {
  if (!shown.has(key)) {
    shown.add(key);
    state.texts.push({ to: pdu.destination_addr, text });
  }
}

function keep(pdu) {
  const id = `m-${++next}`;
  state.messages.push({
    id,
    from: pdu.source_addr,
    from_ton: pdu.source_addr_ton,
    to: pdu.destination_addr,
    ton: pdu.dest_addr_ton,
    coding: pdu.data_coding,
    esm: pdu.esm_class,
    reference: pdu.user_message_reference,
    validity: pdu.validity_period instanceof Date ? Math.round((pdu.validity_period - Date.now()) / 1000) : pdu.validity_period,
    registered: pdu.registered_delivery,
    octets: pdu.short_message.message.length,
  });
  arrive(pdu);
  return id;
}

function respond(peer, pdu, fields) {
  out -= 1;
  peer.send(pdu.response(fields));
}

function submitted(peer, pdu) {
  state.submits += 1;
  out += 1;
  state.most = Math.max(state.most, out);
  const refusal = { throttle: smpp.ESME_RTHROTTLED, 'queue-full': smpp.ESME_RMSGQFUL, refuse: smpp.ESME_RINVDSTADR, system: smpp.ESME_RSYSERR };
  const how = faults.shift() || 'none';
  if (how in refusal) return respond(peer, pdu, { command_status: refusal[how] });
  if (how === 'nack') {
    out -= 1;
    return peer.send(new smpp.PDU('generic_nack', { command_status: smpp.ESME_RINVCMDLEN, sequence_number: pdu.sequence_number }));
  }
  if (how === 'drop-before') return peer.destroy();
  const id = keep(pdu);
  if (how === 'drop-after') return peer.destroy();
  if (how === 'mute') return undefined;
  if (how === 'garbage') return peer.socket.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  if (how === 'hold') return held.push(() => respond(peer, pdu, { message_id: id }));
  respond(peer, pdu, { message_id: id });
  if (how === 'twice') respond(peer, pdu, { message_id: id });
  return undefined;
}

function bind(peer, pdu) {
  if (pdu.system_id !== user || pdu.password !== password) {
    state.refused += 1;
    peer.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
    return;
  }
  state.binds += 1;
  session = peer;
  out = 0;
  peer.send(pdu.response({ system_id: 'smsc' }));
}

const server = smpp.createServer(tls, (peer) => {
  peer.on('error', () => {});
  peer.on('bind_transceiver', (pdu) => bind(peer, pdu));
  peer.on('submit_sm', (pdu) => submitted(peer, pdu));
  peer.on('enquire_link', (pdu) => {
    state.enquiries += 1;
    if (!silent) peer.send(pdu.response());
  });
  peer.on('enquire_link_resp', () => { state.answered += 1; });
  peer.on('deliver_sm_resp', (pdu) => { state.receipts.push(pdu.command_status); });
  peer.on('unbind', (pdu) => {
    state.unbinds += 1;
    peer.send(pdu.response());
  });
});
server.on('error', () => {});
server.listen(0, '127.0.0.1', () => {
  console.log(String(server.address().port));
});

const commands = {
  fault: (how) => { faults.push(how); },
  release: () => { held.splice(0).forEach((answer) => answer()); },
  receipt: (id, stat) => {
    session.deliver_sm({
      source_addr: '8613800138000',
      destination_addr: 'bankhub',
      esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2603011230 done date:2603011231 stat:${stat} err:000 text:`,
    });
  },
  enquire: () => { session.enquire_link(); },
  silent: () => { silent = true; },
  unbind: () => { session.unbind(); },
  cut: () => { session.destroy(); },
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, ...words] = line.split(' ');
  if (name === 'state') {
    console.log(JSON.stringify(state));
  } else if (name in commands) {
    commands[name](...words);
    console.log('ok');
  } else {
    console.log('unknown');
  }
}).on('close', () => process.exit(0));
