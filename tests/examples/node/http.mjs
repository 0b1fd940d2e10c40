// Requests with exactly the headers that are given, by Node's own client.

import http from "node:http";

// Resolves to the status, the headers and the body, whatever the status. Rejects with the client's error, or, after
// `patience` milliseconds, with one whose code is ETIMEDOUT.
export function send(url, { method = "GET", headers = {}, body, patience = 30_000 } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, reply => {
      const chunks = [];
      reply.on("data", chunk => chunks.push(chunk));
      reply.on("error", reject);
      reply.on("end", () => {
        clearTimeout(timer);
        resolve({ status: reply.statusCode, headers: reply.headers, body: Buffer.concat(chunks) });
      });
    });
    const late = Object.assign(new Error(`no reply in ${patience} ms`), { code: "ETIMEDOUT" });
    const timer = setTimeout(() => request.destroy(late), patience);
    request.on("error", error => {
      clearTimeout(timer);
      reject(error);
    });
    request.end(body);
  });
}

// Begins a fault, or ends it.
export async function set(page, fault, on) {
  const method = on ? "PUT" : "DELETE";
  const reply = await send(`${page}/faults/${fault}`, { method, headers: { Origin: page } });
  if (reply.status !== 204) throw new Error(`${method} ${fault}: ${reply.status} ${reply.body}`);
}
