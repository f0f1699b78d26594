// The WebSocket to the playground: it comes back by itself, and questions get their answers.

const FIRST_DELAY = 250; // milliseconds
const LONGEST_DELAY = 3000;
const REFUSED = 4403; // the playground's close code for a wrong token

export class Link {
  constructor({opened, update, lost}) {
    this.listeners = {opened, update, lost};
    this.delay = FIRST_DELAY;
    this.last = 0;
    this.waiting = new Map();
    this.connect();
  }

  connect() {
    const url = new URL("live", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = "";
    const socket = (this.socket = new WebSocket(url));
    socket.onopen = () => {
      this.delay = FIRST_DELAY;
      this.listeners.opened();
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "answer") this.settle(message);
      else this.listeners.update(message);
    };
    socket.onclose = (event) => {
      for (const {reject} of this.waiting.values()) reject(new Error("the connection to the playground was lost"));
      this.waiting.clear();
      this.listeners.lost(event.code === REFUSED);
      if (event.code === REFUSED) return;
      setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(LONGEST_DELAY, this.delay * 1.6);
    };
  }

  settle({id, value, error}) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (!waiting) return;
    if (error === undefined) waiting.resolve(value);
    else waiting.reject(new Error(error));
  }

  // Ask the server to do something; the promise fails with what the server says.
  ask(what, parameters = {}) {
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        reject(new Error("there is no connection to the playground"));
        return;
      }
      const id = ++this.last;
      this.waiting.set(id, {resolve, reject});
      this.socket.send(JSON.stringify({...parameters, do: what, id}));
    });
  }
}
