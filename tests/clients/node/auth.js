'use strict';
// Authenticates with Autobahn|JS, driven line by line by test_auth.py.

// Newer nodes have a WebSocket of their own, which shows no certificates.
delete globalThis.WebSocket;

const fs = require('fs');
const autobahn = require('autobahn');
const nacl = require('tweetnacl');
const { serve } = require('./lines');

const SERIALIZERS = { json: 'JSONSerializer', msgpack: 'MsgpackSerializer', cbor: 'CBORSerializer' };

/** Joins, leaves, and says who it was. */
function login({ transport, serializer, realm, authmethod, authid, secret }) {
  if (transport.type === 'websocket') transport.serializers = [new autobahn.serializer[SERIALIZERS[serializer]]()];
  const certificate = transport.certificate?.map((file) => fs.readFileSync(file));
  if (certificate) transport.tlsConfiguration = Object.fromEntries(['ca', 'cert', 'key'].map((name, i) => [name, certificate[i]]));
  const key = authmethod === 'cryptosign' && nacl.sign.keyPair.fromSeed(Buffer.from(secret, 'hex'));
  const onchallenge = (session, name, extra) => {
    switch (name) {
      case 'ticket': return secret;
      case 'wampcra': {
        const { salt, iterations, keylen } = extra;
        const cra = autobahn.auth_cra;
        return cra.sign(salt ? cra.derive_key(secret, salt, iterations, keylen) : secret, extra.challenge);
      }
      case 'cryptosign': return autobahn.auth_cryptosign.sign_challenge(key, extra);
    }
  };
  const authextra = key ? { pubkey: autobahn.auth_cryptosign.public_key(key), channel_binding: null } : {};
  const connection = new autobahn.Connection({
    transports: [transport], realm, authmethods: [authmethod], authid, authextra, onchallenge, max_retries: 0,
  });
  return new Promise((resolve) => {
    connection.onopen = (session, { authid, authrole, authmethod }) => {
      resolve({ authid, authrole, authmethod });
      connection.close();
    };
    connection.onclose = (reason, details) => {
      resolve({ reason: details.reason || reason });
      return true;
    };
    connection.open();
  });
}

serve({ login });
