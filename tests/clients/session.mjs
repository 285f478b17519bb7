// What both TypeScript clients share: the settings, the OAuth provider that keeps everything in memory, the report.
import { createServer } from 'node:net';
import { login } from './browser.mjs';

/** The settings, from the environment. */
export function settings() {
    const { BROKER_URL, FORGEJO_USER, FORGEJO_PASSWORD, TOOL, ARGS, ACCESS, MODE, REFRESH, REDIRECT_URL } = process.env;
    if (!BROKER_URL || !FORGEJO_USER || !FORGEJO_PASSWORD || !TOOL) {
        throw new Error('BROKER_URL, FORGEJO_USER, FORGEJO_PASSWORD and TOOL must be set');
    }
    const base = BROKER_URL.replace(/\/+$/, '');
    return {
        endpoint: new URL(base.endsWith('/mcp') ? base : `${base}/mcp`),
        redirectUrl: REDIRECT_URL || 'http://127.0.0.1:8097/callback',
        person: { user: FORGEJO_USER, password: FORGEJO_PASSWORD, access: ACCESS },
        tool: TOOL,
        args: JSON.parse(ARGS || '{}'),
        mode: MODE || 'legacy',
        refresh: REFRESH === '1'
    };
}

/** An OAuth provider of the SDKs' interface. It remembers where the SDK wanted to send the person. */
export class MemoryProvider {
    #clients = new Map();
    #kept = {};

    constructor(redirectUrl, name) {
        this.redirectUrl = redirectUrl;
        this.clientMetadata = {
            client_name: name,
            redirect_uris: [redirectUrl],
            application_type: 'native',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none'
        };
        this.clientMetadataUrl = process.env.CIMD_URL || undefined;
        this.expectedState = crypto.randomUUID();
        this.authorizationUrl = undefined;
    }

    state() {
        return this.expectedState;
    }
    clientInformation(context) {
        return this.#clients.get(context?.issuer ?? '');
    }
    saveClientInformation(information, context) {
        this.#clients.set(context?.issuer ?? '', information);
    }
    tokens() {
        return this.#kept.tokens;
    }
    saveTokens(tokens) {
        this.#kept.tokens = tokens;
    }
    codeVerifier() {
        return this.#kept.verifier;
    }
    saveCodeVerifier(verifier) {
        this.#kept.verifier = verifier;
    }
    discoveryState() {
        return this.#kept.discovery;
    }
    saveDiscoveryState(state) {
        this.#kept.discovery = state;
    }
    redirectToAuthorization(url) {
        this.authorizationUrl = url;
    }

    /** Lets the person log in; returns the parameters that came back. */
    async logIn(person) {
        if (!this.authorizationUrl) throw new Error('the SDK never asked for a login');
        const back = (await login(this.authorizationUrl, this.redirectUrl, person)).searchParams;
        if (back.get('error')) throw new Error(`login refused: ${back.get('error')}: ${back.get('error_description')}`);
        if (back.get('state') !== this.expectedState) throw new Error('the state that came back is not the one sent');
        return back;
    }
}

/** Connects `make()`'s client, through a login where one is needed, and returns a connected one. */
export async function connect(make, provider, person, UnauthorizedError, finish) {
    const first = make();
    try {
        await first.client.connect(first.transport);
        throw new Error('the broker let an unauthenticated client in');
    } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error;
    }
    await finish(first.transport, await provider.logIn(person));
    const second = make();
    await second.client.connect(second.transport);
    return second;
}

/** The SDK v2's option for the era of `mode`: legacy, auto, or the revision to pin. */
export function negotiation(mode) {
    if (mode === 'legacy') return {};
    return { versionNegotiation: { mode: mode === 'auto' ? 'auto' : { pin: mode } } };
}

/** Ends an access token (RFC 7009), so that a client must refresh at its next request. */
export async function revoke(endpoint, token, clientId) {
    const body = new URLSearchParams({ token, client_id: clientId, token_type_hint: 'access_token' });
    const response = await fetch(new URL('/oauth/revoke', endpoint), { method: 'POST', body });
    if (response.status !== 200) throw new Error(`the revocation ended with ${response.status}: ${await response.text()}`);
}

/** A port of the loopback interface that nobody listens on. */
export function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    return new Promise(resolve =>
        server.on('listening', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        })
    );
}

/** The texts of a tool result, joined. A result that reports an error is one. */
export function textOf(result) {
    const joined = (result.content ?? []).map(part => part.text ?? '').join('\n');
    if (result.isError) throw new Error(`the tool reports an error: ${joined}`);
    return joined;
}

/** Lists all tools, over all pages. */
export async function allTools(client) {
    const tools = [];
    let cursor;
    do {
        const page = await client.listTools(cursor === undefined ? undefined : { cursor });
        tools.push(...page.tools.map(tool => tool.name));
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return tools;
}

/** Exchanges the refresh token by the SDK's own code; true if another access token came back. */
export async function refreshed(auth, provider, endpoint) {
    const before = provider.tokens().access_token;
    const outcome = await auth(provider, { serverUrl: endpoint });
    if (outcome !== 'AUTHORIZED') throw new Error(`the refresh ended with ${outcome}`);
    return provider.tokens().access_token !== before;
}

/** Runs `main`, prints what it returns as one line, or the failure on stderr with status 1. */
export async function run(name, main) {
    try {
        console.log(JSON.stringify(await main()));
        process.exit(0);
    } catch (error) {
        const cause = error?.cause?.message ? `: ${error.cause.message}` : '';
        console.error(`${name}: ${error?.message ?? error}${cause}`);
        if (process.env.TRACE) console.error(error);
        process.exit(1);
    }
}
