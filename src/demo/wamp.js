'use strict';
// A WAMP client: JSON over one WebSocket, the publisher and subscriber roles, login by WAMP-CRA, or by the cookie of an earlier login.

const HELLO = 1, WELCOME = 2, ABORT = 3, CHALLENGE = 4, AUTHENTICATE = 5, GOODBYE = 6, ERROR = 8, PUBLISH = 16, PUBLISHED = 17, SUBSCRIBE = 32, SUBSCRIBED = 33, EVENT = 36;

/** Its errors are in words for the user; those with `refused` would only come again. */
class WampClient {
  /** `login`: `{ authid, password }`, or null to join as who has logged in before, or as nobody. `onclose(Error | null)` is called once after a session that was established ends; null: we asked for it. */
  constructor(url, realm, login, onclose) {
    Object.assign(this, { url, realm, login, onclose, session: null, agent: '', who: '', socket: null, asked: false, lastId: 0 });
    this.waiting = new Map();
    this.handlers = new Map();
  }

  /** Opens the socket and joins the realm. */
  connect(timeoutMs = 8000) {
    return new Promise((resolve, reject) => {
      this.opening = { resolve, reject };
      this.timer = setTimeout(() => this.#fail(new Error(`The router at ${this.url} does not answer.`)), timeoutMs);
      try {
        this.socket = new WebSocket(this.url, ['wamp.2.json']);
      } catch (error) {
        return this.#fail(new Error(`${this.url} is no address for a WebSocket: ${error.message}`));
      }
      this.socket.onopen = () => this.#send([HELLO, this.realm, {
        agent: 'Connectanum demo page',
        ...(this.login ? { authmethods: ['wampcra'], authid: this.login.authid } : { authmethods: ['cookie', 'anonymous'] }),
        roles: { publisher: { features: { subscriber_blackwhite_listing: true } }, subscriber: {} },
      }]);
      this.socket.onmessage = (event) => this.#receive(event.data);
      this.socket.onclose = (event) => this.#fail(this.asked ? null : this.session === null
        ? new Error(`No WAMP router is reachable at ${this.url}.`)
        : new Error(`The connection to the router was lost (code ${event.code}${event.reason ? `, ${event.reason}` : ''}).`));
    });
  }

  /** Subscribes and resolves when the router has confirmed; `handler(kwargs)` gets each event. */
  subscribe(topic, handler) {
    return this.#request((id) => [SUBSCRIBE, id, {}, topic]).then((reply) => { this.handlers.set(reply[2], handler); });
  }

  /** Publishes to the given sessions (to all without a list) and resolves with the publication id. */
  publish(topic, kwargs, eligible) {
    const options = eligible ? { acknowledge: true, eligible } : { acknowledge: true };
    return this.#request((id) => [PUBLISH, id, options, topic, [], kwargs]).then((reply) => reply[2]);
  }

  /** Leaves the realm and closes the socket. After `wamp.close.logout` the router does not know this browser any more. */
  close(reason = 'wamp.close.close_realm') {
    this.asked = true;
    if (this.session === null) return this.#fail(null);
    this.#send([GOODBYE, {}, reason]);
    this.timer = setTimeout(() => this.#fail(null), 1500);
  }

  #request(build) {
    if (this.session === null) return Promise.reject(new Error('There is no session.'));
    const id = ++this.lastId;
    this.#send(build(id));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #receive(data) {
    let message, code, first;
    try {
      [code, first] = message = JSON.parse(data);
    } catch {
      return this.#fail(new Error('The router sent something that is not a WAMP message.'));
    }
    if (code === EVENT) return this.handlers.get(first)?.(message[5] ?? {});
    if (code === PUBLISHED || code === SUBSCRIBED) return this.#answer(first)?.resolve(message);
    if (code === ERROR) {
      const text = typeof message[5]?.[0] === 'string' ? `: ${message[5][0]}` : '';
      return this.#answer(message[2])?.reject(new Error(`The router refused it (${message[4]})${text}`));
    }
    if (code === WELCOME) {
      clearTimeout(this.timer);
      this.session = first;
      const { agent = '', authid, authrole, authmethod } = message[2] ?? {};
      Object.assign(this, { agent, who: authmethod && authmethod !== 'anonymous' ? `${authid} (${authrole})` : '' });
      return this.opening.resolve(this);
    }
    if (code === CHALLENGE && this.login) return this.#prove(message[2] ?? {});
    if (code !== ABORT && code !== GOODBYE) return;
    if (code === GOODBYE && !this.asked) this.#send([GOODBYE, {}, 'wamp.close.goodbye_and_out']);
    const text = first?.message ? `: ${first.message}` : '';
    const error = new Error(`${this.#why(message[2])} (${message[2]})${text}`);
    this.#fail(this.asked ? null : Object.assign(error, { refused: this.session === null && message[2] !== 'wamp.close.system_shutdown' }));
  }

  /** What has happened, for people. */
  #why(reason) {
    if (this.session !== null) return 'The router ended the session';
    if (reason === 'wamp.error.authentication_denied') return 'The login failed: the name or the password is wrong, or there were too many tries';
    if (/^wamp\.error\.(authentication_required|no_matching_auth_method)$/.test(reason)) {
      return this.login ? 'This realm knows no login with a password' : 'This realm wants a login';
    }
    return 'The router refused the session';
  }

  async #prove(challenge) {
    try {
      this.#send([AUTHENTICATE, await signature(this.login.password, challenge), {}]);
    } catch (error) {
      this.#fail(Object.assign(error, { refused: true }));
    }
  }

  #answer(id) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  #fail(error) {
    const { socket, session } = this;
    if (!socket && !this.opening) return;
    clearTimeout(this.timer);
    this.socket = this.session = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const reason = error ?? new Error('Disconnected.');
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
    this.opening?.reject(reason);
    this.opening = null;
    if (session !== null) this.onclose(error);
  }
}

/** The answer to a challenge of WAMP-CRA. If there is a salt, the password is stretched as the router's secret was. */
async function signature(password, { challenge, salt, iterations = 1000, keylen = 32 }) {
  if (!globalThis.crypto?.subtle) {
    throw new Error('Browsers can log in by https or on localhost only: open this page so.');
  }
  if (!password) throw new Error('There is no password.');
  const bytes = (text) => new TextEncoder().encode(text);
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  let secret = bytes(password);
  if (salt !== undefined) {
    const key = await crypto.subtle.importKey('raw', secret, 'PBKDF2', false, ['deriveBits']);
    const stretched = { name: 'PBKDF2', hash: 'SHA-256', salt: bytes(salt), iterations };
    secret = bytes(base64(await crypto.subtle.deriveBits(stretched, key, 8 * keylen)));
  }
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return base64(await crypto.subtle.sign('HMAC', key, bytes(challenge)));
}
