// A request for a token as the vendor's SDK for Node builds it, by Node's client and by `fetch`: its headers, two of
// which are there by mistake, and its body. It reads `error`, and never the status.

import assert from "node:assert/strict";
import { send, set } from "./http.mjs";

const [gateway, page] = process.argv.slice(2);
const url = `${gateway}/v1/sessions`;

function build(appSecret, identity, scopes) {
  return {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${appSecret}`,
      "Content-Type": "application/json",
      "Accept": "application/json",
      "Accept-Charset": "utf-8",
      "redirect": "follow",
      "referrerPolicy": "no-referrer",
    },
    body: JSON.stringify({ identity, scopes }),
  };
}

const clients = {
  "node:http": async request => JSON.parse((await send(url, request)).body),
  "fetch": async request => (await fetch(url, request)).json(),
};

for (const [name, client] of Object.entries(clients)) {
  const ask = (secret, identity, scopes = []) => client(build(secret, identity, scopes));

  const granted = await ask("my-app:my-secret", "user-17", ["videos.read"]);
  assert.equal(granted.error, undefined, name);
  assert.equal(granted.identity, "user-17", name);
  assert.ok(Date.parse(granted.expiresAt) > Date.now(), name);
  const headers = { Authorization: `Bearer ${granted.sessionToken}` };
  const served = await send(`${gateway}/v1/videos`, { headers });
  assert.deepEqual(JSON.parse(served.body), { videos: [], identity: "user-17" }, name);

  assert.equal((await ask("another", "user-17")).error, "unknown API token", name);
  assert.equal((await ask("my-app:my-secret", "")).error, "`identity` is empty", name);
  for (const [fault, error] of [
    ["error_string", "internal error"],
    ["error_object", { code: "internal", message: "internal error" }],
    ["unavailable", "not now"],
  ]) {
    await set(page, fault, true);
    assert.deepEqual((await ask("my-app:my-secret", "user-17")).error, error, name);
    await set(page, fault, false);
  }
}
