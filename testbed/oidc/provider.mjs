// provider.mjs REDIRECT_URI
//
// A real OpenID provider (npm's oidc-provider, certified) on a free loopback port, with one client
// and a handful of people; its own development pages ask who signs in. Its modules are where
// SWITCHHOOK_TESTBED_DIR says (testbed/provision.sh oidc). Prints `listening on URL`, runs until it
// is killed. testbed/oidc.sh starts it by hand.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const folder = process.env.SWITCHHOOK_TESTBED_DIR ?? '/var/lib/switchhook-testbed';
const entry = `${folder}/oidc/node_modules/oidc-provider/lib/index.js`;
const { default: Provider } = await import(pathToFileURL(entry).href);

const redirectUri = process.argv[2] ?? 'http://127.0.0.1:4000/sign-in/oidc/callback';
const port = Number(process.env.TESTBED_OIDC_PORT ?? 0);

// login: what is claimed of them. Who is not named here is somebody with a verified address.
const people = {
  unverified: { email: 'jan@example.nl', email_verified: false, name: 'Not Jan' },
  jan: { email: 'jan@example.nl', email_verified: true, name: 'Jan Jansen' },
  boss: { email: 'boss@example.nl', email_verified: true, name: 'Boss', groups: ['cti-bosses'] },
};

const server = createServer();
await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'switchhook',
      client_secret: 'a secret with: signs & spaces',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  cookies: { keys: ['only for tests'] },
  pkce: { required: () => true },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'groups'],
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      ...(people[id] ?? { email: `${id}@example.nl`, email_verified: true, name: id }),
    }),
  }),
});
server.on('request', provider.callback());
console.log(`listening on ${issuer}`);
