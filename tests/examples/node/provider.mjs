// An OAuth 2.0 authorization server on 127.0.0.1, for the test `oauth_provider`. It prints its port, and then answers
// each line on its standard input with one line. It ends when its standard input does.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

// It warns of what matters in production only.
console.warn = () => {};
const { default: Provider } = await import('oidc-provider');

const client = {
  client_id: 'app 1:test',
  // Characters that have to be encoded before they are put into a header (RFC 6749, section 2.3.1).
  client_secret: 's3cret +%&=:',
  client_name: 'a service',
  grant_types: ['client_credentials', 'refresh_token', 'authorization_code'],
  redirect_uris: ['https://app.example/callback'],
  token_endpoint_auth_method: 'client_secret_basic',
  scope: 'offline_access videos.read',
};

// Access tokens outlive the test: what ages in it is the driver's own clock.
const configuration = {
  clients: [client],
  scopes: ['offline_access', 'videos.read', 'videos.edit'],
  features: {
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
  },
  rotateRefreshToken: true,
  ttl: { AccessToken: 600, ClientCredentials: 600, RefreshToken: 86400, Grant: 86400 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
};

const server = createServer();
const listen = async (port) => {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};
const port = await listen(0);
const provider = new Provider(`http://127.0.0.1:${port}`, configuration);

// The API that access tokens are for.
const api = async (request, response) => {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const known = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  response.writeHead(known?.isValid ? 200 : 401).end();
};
const tokens = provider.callback();
server.on('request', (request, response) =>
  request.url === '/api' ? api(request, response) : tokens(request, response));

// A login, as it would come out of a browser.
const logIn = async () => {
  const registered = await provider.Client.find(client.client_id);
  const grant = new provider.Grant({ clientId: client.client_id, accountId: 'user-17' });
  grant.addOIDCScope('offline_access videos.read');
  const token = new provider.RefreshToken({
    accountId: 'user-17',
    client: registered,
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: 'offline_access videos.read',
    rotations: 0,
    iiat: Math.floor(Date.now() / 1000),
  });
  return token.save();
};

const commands = {
  'log in': logIn,
  stop: async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    return 'stopped';
  },
  start: async () => `port ${await listen(port)}`,
};

console.log(`port ${port}`);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(await commands[line]());
}
process.exit();
