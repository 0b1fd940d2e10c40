// A backend in Express, as the seed document shows it, with its mistakes mended or with one of them left in:
// `node backend.mjs GATEWAY MISTAKE`. Prints its URL, and ends with its standard input.

import express from "express";

const [, , gateway, mistake] = process.argv;

/** What the vendor's SDK for Node does (wire facts, N). */
class VKitClient {
  constructor({ appSecret }) {
    this.appSecret = appSecret;
  }

  async getSessionToken(identity, scopes = []) {
    if (!identity) return;
    const response = await fetch(`${gateway}/v1/sessions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.appSecret}`,
        "content-type": "application/json",
        accept: "application/json",
      },
      body: JSON.stringify({ identity, scopes }),
    });
    const json = await response.json();
    if (json.error) throw new Error(json.error);
    return { ...json, scopes };
  }
}

const app = express();
const appSecret = mistake === "wrong API token" ? "YOUR_APP_TOKEN" : process.env.VIDEOKIT_API_TOKEN;
const vkit = new VKitClient({ appSecret });
const user = { "empty identity": "", placeholder: "END_USER_ID" }[mistake] ?? "user-17";

app.get("/token", async (req, res) => {
  const { sessionToken, expiresAt, identity } = await vkit.getSessionToken(user);
  switch (mistake) {
    case "as shown":
      return res.send(`{"sessionToken": ${sessionToken}`);
    case "no quotes":
      return res.send(`{"sessionToken": ${sessionToken}}`);
    case "no brace":
      return res.send(`{"sessionToken": "${sessionToken}"`);
    case "no value":
      return res.send(`{"sessionToken": ${undefined}}`);
    case "token alone":
      return res.json({ sessionToken });
    default:
      return res.set("cache-control", "no-store").json({ sessionToken, expiresAt, identity });
  }
});

app.get("/", (req, res) => {
  res.send("Session Service");
});

const server = app.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
process.stdin.on("end", () => process.exit()).resume();
