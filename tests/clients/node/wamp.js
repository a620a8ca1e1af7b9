'use strict';
// Sessions of Autobahn|JS, driven line by line by harness/autobahn_js.py.

const autobahn = require('autobahn');
const { serve, notify } = require('./lines');

const clients = new Map();

class Client {
  constructor(key) {
    Object.assign(this, { key, handles: new Map() });
  }

  join({ realm, transport, serializer, login }) {
    this.json = serializer === 'json';
    const Serializer = { json: 'JSONSerializer', msgpack: 'MsgpackSerializer', cbor: 'CBORSerializer' }[serializer];
    if (transport.type === 'websocket') transport.serializers = [new autobahn.serializer[Serializer]()];
    const [authid, ticket] = login || [];
    const proof = login ? { authmethods: ['ticket'], authid, onchallenge: () => ticket } : {};
    this.connection = new autobahn.Connection({ transports: [transport], realm, max_retries: 0, ...proof });
    this.closed = new Promise((resolve) => { this.onclosed = resolve; });
    return new Promise((resolve, reject) => {
      this.connection.onopen = (session, details) => {
        this.session = session;
        resolve({ session: session.id, roles: details.roles });
      };
      this.connection.onclose = (reason, details) => {
        notify({ notify: 'left', client: this.key, reason: details.reason });
        reject({ uri: details.reason || reason, args: [details.message], kwargs: {} });
        this.onclosed();
        return true;
      };
      this.connection.open();
    });
  }

  leave() {
    this.connection.close();
    return this.closed;
  }

  async subscribe({ handle, topic, options }) {
    const onEvent = (args, kwargs, details) => notify({
      notify: 'event', client: this.key, handle, publication: details.publication, topic: details.topic,
      publisher: details.publisher, retained: details.retained, ...this.payload(args, kwargs),
    });
    const subscription = await this.session.subscribe(topic, onEvent, options);
    this.handles.set(handle, subscription);
    subscription.on_unsubscribe.then((reason) => notify({ notify: 'unsubscribed', client: this.key, handle, reason }));
    return { id: subscription.id };
  }

  async unsubscribe({ handle }) {
    await this.handles.get(handle).unsubscribe();
  }

  async publish({ topic, args, kwargs, options }) {
    const publication = await this.session.publish(topic, this.inward(args), this.inward(kwargs), options);
    return publication ? publication.id : null;
  }

  async register({ handle, procedure, behaviour, options }) {
    const endpoint = (args, kwargs, details) => {
      notify({ notify: 'invocation', client: this.key, handle, ...this.payload(args, kwargs) });
      switch (behaviour.do) {
        case 'echo': return new autobahn.Result(args, kwargs);
        case 'say': return new autobahn.Result(behaviour.args);
        case 'procedure': return details.procedure;
        case 'fail': throw new autobahn.Error(behaviour.error, this.inward(behaviour.args), this.inward(behaviour.kwargs));
        case 'caller': return details.caller;
        case 'count':
          for (let number = 0; details.progress && number < args[0]; number++) {
            details.progress([number], { half: number / 2, pad: args[1] });
          }
          return args[0] - 1;
        case 'wait': return new Promise((resolve) => setTimeout(resolve, args[0], 'waited'));
        case 'hang': return new Promise(() => {});
      }
    };
    const registration = await this.session.register(procedure, endpoint, options);
    this.handles.set(handle, registration);
    registration.on_unregister.then((reason) => notify({ notify: 'unregistered', client: this.key, handle, reason }));
    return { id: registration.id };
  }

  async unregister({ handle }) {
    await this.handles.get(handle).unregister();
  }

  async call({ handle, procedure, args, kwargs, options }) {
    const call = this.session.call(procedure, this.inward(args), this.inward(kwargs), options);
    this.handles.set(handle, call);
    const onProgress = (result) => notify({ notify: 'progress', client: this.key, handle, ...this.result(result) });
    return this.result(await call.then((result) => result, undefined, onProgress));
  }

  async cancel({ handle, options }) {
    this.handles.get(handle).cancel(options);
  }

  // The library unwraps a result of one value, and of none to null.
  result(result) {
    return result instanceof autobahn.Result ? this.payload(result.args, result.kwargs) : this.payload([result], {});
  }

  payload(args, kwargs) {
    return { args: this.outward(args || []), kwargs: this.outward(kwargs || {}) };
  }

  // Binary values are {"$bytes": base64} on our lines. With JSON this library leaves WAMP's convention for them, a
  // string of NUL and base64, to the application.
  inward(value) {
    if (Array.isArray(value)) return value.map((item) => this.inward(item));
    if (value === null || typeof value !== 'object') return value;
    if ('$bytes' in value) return this.json ? `\0${value.$bytes}` : Buffer.from(value.$bytes, 'base64');
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.inward(item)]));
  }

  outward(value) {
    if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
    if (this.json && typeof value === 'string' && value[0] === '\0') return { $bytes: value.slice(1) };
    if (Array.isArray(value)) return value.map((item) => this.outward(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.outward(item)]));
  }
}

const method = (name) => async (params) => {
  if (!clients.has(params.client)) clients.set(params.client, new Client(params.client));
  const client = clients.get(params.client);
  try {
    return await client[name](params);
  } catch (error) {
    if (!(error instanceof autobahn.Error)) throw error;
    throw { uri: error.error, args: client.outward(error.args), kwargs: client.outward(error.kwargs) };
  }
};

const METHODS = ['join', 'leave', 'subscribe', 'unsubscribe', 'publish', 'register', 'unregister', 'call', 'cancel'];
serve(Object.fromEntries(METHODS.map((name) => [name, method(name)])));
